"""REST: a view parses, calls one operation and translates what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import operations, processors, progress_tracker
from batches.charts import batch_map
from batches.charts.batch_map import MOST_BINS, BatchMap
from batches.exceptions import InvalidInput
from batches.models import Batch, Item, Transition
from batches.progress_tracker import Progress, Velocity
from batches.rest.checkpoint_overview import CheckpointOverview, overview
from batches.rest.filters import BatchFilter, ItemFilter
from batches.rest.idempotent_requests import once_per_key
from batches.rest.pagination import ById, ByPosition, NewestFirst
from batches.rest.parsers import StrictJSONParser
from batches.rest.permissions import MayView, MayWatch
from batches.rest.schema import PortalSchema, schema_of
from batches.rest.serializers import (
    AdjustSerializer,
    AsideSerializer,
    BatchPageSerializer,
    BatchSerializer,
    DecisionSerializer,
    FileSubmissionSerializer,
    ItemSerializer,
    ItemsSubmissionSerializer,
    ProcessorSerializer,
    ReasonSerializer,
    RehearsalSerializer,
    RehearseRequestSerializer,
    RetryRequestSerializer,
    RetrySerializer,
    ScopeSerializer,
    SubmissionSerializer,
    TransitionSerializer,
    submission_of,
)

Verb = Callable[..., Batch]


class PortalView(APIView):
    """What all views share."""

    permission_classes = (MayView,)
    parser_classes = (StrictJSONParser, MultiPartParser)
    metadata_class = None
    schema = PortalSchema()


def page_of(batch: Batch) -> dict[str, Any]:
    """A batch as its own page shows it."""
    progress = progress_tracker.progress_of([batch])
    return dict(BatchPageSerializer(batch, context={"progress": progress}).data)


class BatchList(PortalView, ListAPIView[Batch]):
    """The batches, newest first; POST submits one."""

    queryset = Batch.objects.select_related("created_by")
    serializer_class = BatchSerializer
    pagination_class = NewestFirst
    filterset_class = BatchFilter

    progress: Mapping[str, Progress] = {}

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        self.progress = progress_tracker.progress_of(page or ())
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "progress": self.progress}

    @extend_schema(
        request={"application/json": ItemsSubmissionSerializer, "multipart/form-data": FileSubmissionSerializer},
        responses={201: BatchPageSerializer, 200: BatchPageSerializer},
    )
    @once_per_key
    def post(self, request: Request) -> Response:
        """Submit a batch: 201, or 200 when the same one stands under this id already."""
        said = checked(submission_kind(request), request)
        made = operations.submit(**submission_of(said), actor=request.user.get_username(), user=request.user)
        batch = made.batch
        if said["start"] and batch.status == Batch.Status.PENDING:
            batch = operations.start(batch.pk, actor=request.user.get_username())
        code = status.HTTP_201_CREATED if made.created else status.HTTP_200_OK
        return Response(page_of(batch), code, headers={"Location": reverse("batch", args=[batch.pk])})


def submission_kind(request: Request) -> type[SubmissionSerializer]:
    return FileSubmissionSerializer if isinstance(request.data, QueryDict) else ItemsSubmissionSerializer


def checked(kind: type[Any], request: Request) -> dict[str, Any]:
    """What the request says, or DRF's refusal by field."""
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    said: dict[str, Any] = serializer.validated_data
    return said


class BatchDetail(PortalView):
    @extend_schema(responses=BatchPageSerializer)
    def get(self, request: Request, batch_id: str) -> Response:
        """One batch, with the verbs that are legal now."""
        return Response(page_of(operations.get_batch(batch_id)))


class BatchProgress(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Progress)})
    def get(self, request: Request, batch_id: str) -> Response:
        """How far the batch has come, how fast it goes and when it will be done."""
        batch = operations.get_batch(batch_id)
        progress = progress_tracker.progress_of([batch])[batch.pk].to_dict()
        return Response(progress | {"sentence": batch.sentence, "reason": batch.reason})


class BatchVelocity(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(Velocity)})
    def get(self, request: Request, batch_id: str) -> Response:
        """The velocity chart: items a second at moments (seconds since 1970), and the pauses between."""
        return Response(progress_tracker.velocity_of(operations.get_batch(batch_id)).to_dict())


class BatchMapView(PortalView):
    @extend_schema(
        parameters=[OpenApiParameter("bins", {"type": "integer", "minimum": 1, "maximum": MOST_BINS, "default": 1000})],
        responses={(200, "application/json"): schema_of(BatchMap)},
    )
    def get(self, request: Request, batch_id: str) -> Response:
        """Outcomes by position: the whole batch in at most so many bins of `stretch` items each."""
        batch = operations.get_batch(batch_id)
        return Response(batch_map.map_of(batch, bins_asked(request.query_params.get("bins", ""))).to_dict())


def bins_asked(said: str) -> int:
    if said and not (said.isdecimal() and len(said) < 6 and 1 <= int(said) <= MOST_BINS):
        raise InvalidInput(f"bins: Write a number from 1 to {MOST_BINS:,}.", {"bins": ["Not such a number."]})
    return int(said or MOST_BINS)


class BatchCheckpoint(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(CheckpointOverview)})
    def get(self, request: Request, batch_id: str) -> Response:
        """How far the batch has come; lists hold their first 1,000 items."""
        return Response(overview(operations.get_batch(batch_id)).to_dict())


class OfBatch(PortalView, ListAPIView[Any]):
    """Rows that belong to one batch."""

    rows: QuerySet[Any]

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.rows.none()
        return self.rows.filter(batch=operations.get_batch(self.kwargs["batch_id"]))


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


class Act(PortalView):
    """One of the verbs that change a batch's status."""

    verb: str = ""

    @extend_schema(request={"application/json": ReasonSerializer}, responses={202: BatchPageSerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Ask for it: 202; 409 with the current status if it is illegal now."""
        said = checked(ReasonSerializer, request)
        act: Verb = getattr(operations, self.verb)
        batch = act(batch_id, actor=request.user.get_username(), reason=said.get("reason", ""))
        return Response(page_of(batch), status.HTTP_202_ACCEPTED)


class RetryItems(PortalView):
    @extend_schema(request={"application/json": RetryRequestSerializer}, responses={202: RetrySerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Put failed items back and let the batch run."""
        said = checked(RetryRequestSerializer, request)
        retry = operations.retry(batch_id, actor=request.user.get_username(), **said)
        location = reverse("batch-retry-detail", args=[batch_id, retry.number])
        return Response(RetrySerializer(retry).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class RetryDetail(PortalView):
    @extend_schema(responses=RetrySerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """A bulk retry, and what became of its items."""
        return Response(RetrySerializer(operations.get_retry(batch_id, number)).data)


class RetryList(PortalView):
    @extend_schema(responses=RetrySerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """The batch's bulk retries, the latest first, at most 100."""
        made = operations.get_batch(batch_id).retries.order_by("-number")[:100]
        return Response(RetrySerializer(made, many=True).data)


class ActOnRetry(PortalView):
    """Pause, resume or cancel a bulk retry."""

    verb: str = ""

    @extend_schema(request={"application/json": ReasonSerializer}, responses={202: RetrySerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Ask for it: 202; 409 if it is illegal now. What was not begun is failed again, and never lost."""
        said = checked(ReasonSerializer, request)
        act = getattr(operations, f"{self.verb}_retry")
        made = act(batch_id, number, actor=request.user.get_username(), reason=said.get("reason", ""))
        return Response(RetrySerializer(made).data, status.HTTP_202_ACCEPTED)


class Asides(PortalView):
    @extend_schema(responses=AsideSerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """What people have set aside, the latest first, at most 100."""
        made = operations.get_batch(batch_id).asides.order_by("-number")[:100]
        return Response(AsideSerializer(made, many=True).data)

    @extend_schema(request={"application/json": ScopeSerializer}, responses={201: AsideSerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Set items aside that failed or wait: nothing runs or retries them until they are brought back."""
        said = checked(ScopeSerializer, request)
        made = operations.set_aside(batch_id, actor=request.user.get_username(), **said)
        return Response(AsideSerializer(made).data, status.HTTP_201_CREATED)


class BringBack(PortalView):
    @extend_schema(request={"application/json": ReasonSerializer}, responses=AsideSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Undo it: each item is as it was; those that had not run yet, run."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        made = operations.bring_back(batch_id, number, actor=request.user.get_username(), reason=reason)
        return Response(AsideSerializer(made).data)


class Adjust(PortalView):
    @extend_schema(request={"application/json": AdjustSerializer}, responses={200: BatchPageSerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Change how it runs, also while it runs: lanes, rate, attempts, time limit, error budget."""
        said = checked(AdjustSerializer, request)
        return Response(page_of(operations.adjust(batch_id, actor=request.user.get_username(), **said)))


class Rehearse(PortalView):
    @extend_schema(request={"application/json": RehearseRequestSerializer}, responses={202: RehearsalSerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Run it, or a sample of it, and roll everything back; a worker does it."""
        said = checked(RehearseRequestSerializer, request)
        said.pop("reason", None)
        made = operations.rehearse(batch_id, actor=request.user.get_username(), **said)
        location = reverse("batch-rehearsal", args=[batch_id, made.number])
        return Response(RehearsalSerializer(made).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class RehearsalDetail(PortalView):
    @extend_schema(responses=RehearsalSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """A rehearsal, and the error report the run would have had."""
        return Response(RehearsalSerializer(operations.get_rehearsal(batch_id, number)).data)


class Decide(PortalView):
    @extend_schema(request={"application/json": DecisionSerializer}, responses=ItemSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """A person's word on a call of unknown outcome."""
        said = checked(DecisionSerializer, request)
        reason = said.get("reason", "")
        actor = request.user.get_username()
        item = operations.decide(batch_id, said["item_key"], said["outcome"], actor=actor, reason=reason)
        return Response(ItemSerializer(item).data)


class ProcessorList(PortalView):
    @extend_schema(responses=ProcessorSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What can be run, and with which parameters."""
        known: Any = processors.all_processors()
        return Response(ProcessorSerializer(known, many=True).data)


class WatchBatch(PortalView):
    """Mail about a batch to the account that asks: POST begins it, DELETE ends it."""

    permission_classes = (MayWatch,)

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, batch_id: str) -> Response:
        """Mail me at its milestones, and when it ends or halts."""
        operations.watch(batch_id, request.user)  # type: ignore[arg-type]
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, batch_id: str) -> Response:
        """No more mail about it."""
        operations.unwatch(batch_id, request.user)  # type: ignore[arg-type]
        return Response(status=status.HTTP_204_NO_CONTENT)
