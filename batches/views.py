"""REST: parse, call one operation, translate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import django_filters
from django.db.models import Q, QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import operations, processors, progress_tracker
from batches.exceptions import InvalidInput
from batches.idempotent_requests import remember_response
from batches.models import Batch, Checkpoint, Item, Retry, Transition
from batches.serializers import (
    BatchSerializer,
    ItemSerializer,
    Reason,
    RetryScope,
    RetrySerializer,
    SubmitFile,
    SubmitItems,
    TransitionSerializer,
)

LISTED = 1_000


class Pages(CursorPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500


class BatchPages(Pages):
    ordering = ("-created_at", "-id")


class ItemPages(Pages):
    ordering = ("position",)


class TransitionPages(Pages):
    ordering = ("id",)


class BatchFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Batch.Status.choices)
    processor = django_filters.CharFilter()
    created = django_filters.IsoDateTimeFromToRangeFilter(field_name="created_at")
    search = django_filters.CharFilter(method="find")

    class Meta:
        model = Batch
        fields = ["status", "processor"]

    def find(self, batches: QuerySet[Batch], name: str, words: str) -> QuerySet[Batch]:
        plain = words.replace("\x00", "")
        return batches.filter(Q(id__icontains=plain) | Q(name__icontains=plain))


class ItemFilter(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Item.Status.choices)
    key = django_filters.CharFilter()
    code = django_filters.CharFilter()

    class Meta:
        model = Item
        fields = ["status", "key", "code"]


def actor_of(request: Request) -> str:
    return request.user.get_username()


def batch_or_404(batch_id: str) -> Batch:
    return operations.get_batch(batch_id)


class BatchList(generics.ListAPIView[Batch]):
    """List batches, or submit one."""

    serializer_class = BatchSerializer
    pagination_class = BatchPages
    filterset_class = BatchFilter
    parser_classes = [JSONParser, MultiPartParser]
    queryset = Batch.objects.select_related("created_by")

    @extend_schema(
        operation_id="batches_submit",
        request={"application/json": SubmitItems, "multipart/form-data": SubmitFile},
        responses={201: BatchSerializer, 200: BatchSerializer},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        return remember_response(request, lambda: submit(request))


def submit(request: Request) -> Response:
    """201 with the new batch; 200 when an equal one stood under that id already."""
    multipart = (request.content_type or "").startswith("multipart/")
    asked = (SubmitFile if multipart else SubmitItems)(data=request.data)
    asked.is_valid(raise_exception=True)
    data = dict(asked.validated_data)
    data["batch_id"] = data.pop("id", "")
    start = data.pop("start")
    data["params"] = params_of(data.get("params"))
    if multipart:
        data["filename"] = data["file"].name
    made = operations.submit(**data, actor=actor_of(request), user=request.user)
    batch = made.batch
    if start and batch.status == Batch.Status.PENDING:
        batch = operations.start(batch.pk, actor=actor_of(request))
    code = status.HTTP_201_CREATED if made.created else status.HTTP_200_OK
    return Response(BatchSerializer(batch).data, status=code, headers={"Location": reverse("batch", args=[batch.pk])})


def params_of(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise InvalidInput("params must be a JSON object.", {"params": ["Not valid JSON."]}) from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidInput("params must be a JSON object.", {"params": ["Must be an object."]})
    return given


class BatchDetail(APIView):
    """One batch."""

    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request, batch_id: str) -> Response:
        return Response(BatchSerializer(batch_or_404(batch_id)).data)


class BatchProgress(APIView):
    """How far the batch has come."""

    @extend_schema(responses=dict)
    def get(self, request: Request, batch_id: str) -> Response:
        batch = batch_or_404(batch_id)
        progress = progress_tracker.get_progress(batch.pk).to_dict()
        return Response(progress | {"sentence": batch.sentence, "reason": batch.reason})


class BatchCheckpoint(APIView):
    """The batch's checkpoint; lists are cut at 1,000 items, the counts are whole."""

    @extend_schema(responses=dict)
    def get(self, request: Request, batch_id: str) -> Response:
        batch = batch_or_404(batch_id)
        lanes = list(Checkpoint.objects.filter(batch=batch))
        done = sum(lane.succeeded for lane in lanes)
        failures = sum(lane.failed + lane.quarantined for lane in lanes)
        items = Item.objects.filter(batch=batch).order_by("position")
        failed = items.filter(failed_at__isnull=False).values_list("key", "message", "code", "attempts")[:LISTED]
        saved = [lane.saved_at for lane in lanes if lane.saved_at]
        return Response(
            {
                "batch_id": batch.pk,
                "checkpoint_id": f"{batch.pk}-{sum(lane.sequence for lane in lanes)}",
                "current_item_index": max((lane.position for lane in lanes), default=-1),
                "completed_items": list(items.filter(status=Item.Status.SUCCEEDED).values_list("key", flat=True)[:LISTED]),
                "failed_items": [
                    {"item": key, "error": message, "code": code, "attempts": n} for key, message, code, n in failed
                ],
                "batch_metadata": lanes[0].metadata if lanes else {},
                "timestamp": max(saved) if saved else None,
                "completed_count": done,
                "failed_count": failures,
                "truncated": done > LISTED or failures > LISTED,
            }
        )


class OfBatch:
    """Lists of rows that belong to the batch of the address."""

    kwargs: dict[str, Any]
    queryset: Any

    def get_queryset(self) -> QuerySet[Any]:
        if "batch_id" not in self.kwargs:
            return cast("QuerySet[Any]", self.queryset.none())
        return cast("QuerySet[Any]", self.queryset.filter(batch=batch_or_404(self.kwargs["batch_id"])))


class ItemList(OfBatch, generics.ListAPIView[Item]):
    """The batch's items by position."""

    serializer_class = ItemSerializer
    pagination_class = ItemPages
    filterset_class = ItemFilter
    queryset = Item.objects.all()


class TransitionList(OfBatch, generics.ListAPIView[Transition]):
    """The batch's history, oldest first."""

    serializer_class = TransitionSerializer
    pagination_class = TransitionPages
    queryset = Transition.objects.all()


class BatchVerb(APIView):
    """Start, pause, resume or cancel; 409 with the current status when it is not legal now."""

    verb: Callable[..., Batch] = staticmethod(operations.start)

    @extend_schema(request=Reason, responses={202: BatchSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        return remember_response(request, lambda: self.act(request, batch_id))

    def act(self, request: Request, batch_id: str) -> Response:
        asked = Reason(data=request.data)
        asked.is_valid(raise_exception=True)
        batch = self.verb(batch_id, actor=actor_of(request), reason=asked.validated_data.get("reason", ""))
        return Response(BatchSerializer(batch).data, status=status.HTTP_202_ACCEPTED)


class BatchRetry(APIView):
    """Try failed items again: all of them, some by key, or those of an error group."""

    @extend_schema(request=RetryScope, responses={202: RetrySerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        return remember_response(request, lambda: self.act(request, batch_id))

    def act(self, request: Request, batch_id: str) -> Response:
        asked = RetryScope(data=request.data)
        asked.is_valid(raise_exception=True)
        made = operations.retry(batch_id, actor=actor_of(request), **asked.validated_data)
        return Response(RetrySerializer(made).data, status=status.HTTP_202_ACCEPTED)


class RetryDetail(APIView):
    """One bulk retry and what became of its items."""

    @extend_schema(responses=RetrySerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        made = Retry.objects.filter(batch=batch_or_404(batch_id), number=min(number, 2**31 - 1)).first()
        if made is None:
            raise Http404(f"Batch {batch_id} has no retry {number}.")
        return Response(RetrySerializer(made).data)


class ProcessorList(APIView):
    """What can be run, and which parameters it takes."""

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return Response([described(found) for found in processors.all_processors()])


def described(found: processors.Processor) -> dict[str, Any]:
    fields = found.params.base_fields if found.params else {}
    return {
        "name": found.name,
        "description": found.description,
        "effects": found.effects,
        "checkpoint_every": found.checkpoint_every,
        "max_attempts": found.max_attempts,
        "params": [
            {"name": name, "type": type(field).__name__, "required": field.required, "help": str(field.help_text)}
            for name, field in fields.items()
        ],
    }
