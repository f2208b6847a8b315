"""REST: what batches are, and a new one. A view parses, calls one operation and translates what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations, processors, progress_tracker
from batches.access.scopes import processors_of
from batches.charts import batch_map
from batches.charts.batch_map import BIN_LIMIT, BatchMap
from batches.clients import leaving
from batches.engine.waiting_reasons import WaitingReasons
from batches.exceptions import InvalidInput
from batches.lifecycle.velocity import Velocity, velocity_of
from batches.models import Batch, Item, Transition
from batches.progress_text import words_of
from batches.progress_tracker import Progress
from batches.rest.checkpoint_overview import CheckpointOverview, overview
from batches.rest.filters import BatchFilter, ItemFilter
from batches.rest.idempotent_requests import HEADER, earlier_answer, once_per_key
from batches.rest.pagination import ById, ByPosition, NewestFirst
from batches.rest.portal_view import OfBatch, PortalView, actor_of, checked, submission_answer
from batches.rest.requests import (
    FileSubmissionSerializer,
    ItemsSubmissionSerializer,
    SubmissionSerializer,
    submission_of,
)
from batches.rest.schema import schema_of
from batches.rest.serializers import (
    BatchPageSerializer,
    BatchSerializer,
    ItemSerializer,
    ProcessorSerializer,
    TransitionSerializer,
)


class BatchList(PortalView, ListAPIView[Batch]):
    """The batches, newest first; POST submits one."""

    queryset = Batch.objects.select_related("created_by")
    serializer_class = BatchSerializer
    pagination_class = NewestFirst
    filterset_class = BatchFilter
    limits_by_processor = True

    progress: Mapping[str, Progress] = {}

    def get_queryset(self) -> Any:
        processors = processors_of(self.request.user)
        return super().get_queryset().filter(processor__in=processors) if processors else super().get_queryset()

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        self.progress = progress_tracker.progress_of(page or ())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "progress": self.progress, "reasons": WaitingReasons()}

    @extend_schema(
        request={"application/json": ItemsSubmissionSerializer, "multipart/form-data": FileSubmissionSerializer},
        responses={201: BatchPageSerializer, 200: BatchPageSerializer},
    )
    def post(self, request: Request) -> Response:
        """Submit a batch: 201, or 200 when the same one stands under this id already."""
        refuse_other_processors(request)
        body = checked(submission_kind(request), request)
        if earlier := earlier_answer(request):
            return earlier
        arguments = submission_of(body)
        if HEADER in request.headers:
            arguments["file"] = operations.read_source(arguments)
            arguments.pop("items", None)
            arguments["batch_id"] = operations.chosen_id(**arguments)
        with operations.staged(arguments.get("file"), arguments.get("key_column", ""), arguments["batch_id"]):
            return self.submit(request, body, arguments)

    @once_per_key
    def submit(self, request: Request, body: dict[str, Any], arguments: dict[str, Any]) -> Response:
        """Only this is the key's transaction: reading a file may take a while, and nobody must wait for it."""
        submission = operations.submit(
            **arguments, actor=actor_of(request), user=request.user, has_left=leaving(request)
        )
        return submission_answer(request, submission, start=body["start"])


def refuse_other_processors(request: Request) -> None:
    """Before an answer is given again: it may be that of another token of the account."""
    processors = processors_of(request.user)
    if processors and (not isinstance(request.data, Mapping) or request.data.get("processor") not in processors):
        raise PermissionDenied(f"This token is limited to {', '.join(processors)}.")


def submission_kind(request: Request) -> type[SubmissionSerializer]:
    return FileSubmissionSerializer if isinstance(request.data, QueryDict) else ItemsSubmissionSerializer


class BatchProgress(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Progress)})
    def get(self, request: Request, batch_id: str) -> Response:
        """How far the batch has come, how fast it goes and when it will be done."""
        batch = operations.get_batch(batch_id)
        progress = progress_tracker.progress_of([batch])[batch.pk]
        return Response(progress.to_dict() | words_of(batch, progress))


class BatchVelocity(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Velocity)})
    def get(self, request: Request, batch_id: str) -> Response:
        """The velocity chart: [time, items a second], and the pauses as [from, to]; times in ISO 8601."""
        return Response(velocity_of(operations.get_batch(batch_id)).to_dict())


class BatchMapView(PortalView):
    @extend_schema(
        parameters=[OpenApiParameter("bins", {"type": "integer", "minimum": 1, "maximum": BIN_LIMIT, "default": 1000})],
        responses={(200, "application/json"): schema_of(BatchMap)},
    )
    def get(self, request: Request, batch_id: str) -> Response:
        """Outcomes by position: the whole batch in at most so many bins of `stretch` items each."""
        batch = operations.get_batch(batch_id)
        return Response(batch_map.map_of(batch, bins_of(request.query_params.get("bins", ""))).to_dict())


def bins_of(text: str) -> int:
    """How many bins a query asks for; all that a map may have unless it says."""
    if text and not (text.isdecimal() and len(text) < 6 and 1 <= int(text) <= BIN_LIMIT):
        raise InvalidInput(f"bins: Write a number from 1 to {BIN_LIMIT:,}.", {"bins": ["Not such a number."]})
    return int(text or BIN_LIMIT)


class BatchCheckpoint(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(CheckpointOverview)})
    def get(self, request: Request, batch_id: str) -> Response:
        """How far the batch has come; lists hold their first 1,000 items."""
        return Response(overview(operations.get_batch(batch_id)).to_dict())


class BatchItems(OfBatch):
    """The batch's items by position."""

    rows = Item.objects.all()
    serializer_class = ItemSerializer
    pagination_class = ByPosition
    filterset_class = ItemFilter


class BatchTransitions(OfBatch):
    """The batch's history, oldest first."""

    rows = Transition.objects.all()
    serializer_class = TransitionSerializer
    pagination_class = ById


class ProcessorList(PortalView):
    limits_by_processor = True

    @extend_schema(responses=ProcessorSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What can be run, and with which parameters."""
        limited = processors_of(request.user)
        registered: Any = [each for each in processors.all_processors() if not limited or each.name in limited]
        return Response(ProcessorSerializer(registered, many=True).data)
