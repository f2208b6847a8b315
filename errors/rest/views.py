"""REST of the triage app: the error report, the records it is made of, and what to do about it."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import operations
from batches.models import Batch
from batches.rest.pagination import ById
from batches.rest.permissions import MayView
from batches.rest.portal_view import OfBatch, PortalView, act, actor_of, checked
from batches.rest.requests import ReasonSerializer
from batches.rest.schema import schema_of
from batches.rest.serializers import OBJECT
from errors import error_analyzer
from errors.filters.rest_filter import ErrorFilterSet
from errors.findings import IN_PAGE_LIMIT, errors_of, findings_of, is_due, looks
from errors.models import ErrorRecord, Recommendation
from errors.recovery import plan_runs, plans, recommendations
from errors.rest.permissions import MayTriage
from errors.rest.serializers import ErrorRecordSerializer


class RecordFilter(ErrorFilterSet):
    item_key = filters.CharFilter(max_length=200, strip=False)

    class Meta:
        model = ErrorRecord
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[ErrorRecord]) -> QuerySet[ErrorRecord]:
        rows = self.error_filter.records(self.batch).select_related("group")
        key = self.form.cleaned_data["item_key"]
        return rows.filter(item_key=key) if key else rows


class ErrorReport(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(error_analyzer.ErrorReport)})
    def get(self, request: Request, batch_id: str) -> Response:
        """What failed in the batch, counted and put into words.

        Of a batch of more than 5,000 items, findings and advice are as of a worker's last look; `Retry-After` says that
        there will be another.
        """
        batch = operations.get_batch(batch_id)
        report = error_analyzer.report_of(batch.pk, batch, batch.total_items, look_up_to=IN_PAGE_LIMIT)
        return Response(report.to_dict(), headers=retry_after(batch))


class ErrorFindings(PortalView):
    @extend_schema(responses={(200, "application/json"): {"type": "array", "items": {"type": "object"}}})
    def get(self, request: Request, batch_id: str) -> Response:
        """What the failures have in common, one finding a cause, the strongest first.

        A batch of more than 5,000 items is looked at by a worker: `Retry-After` says that there will be more to see.
        """
        batch = operations.get_batch(batch_id)
        return Response(findings_of(batch, up_to=IN_PAGE_LIMIT), headers=retry_after(batch))


def retry_after(batch: Batch) -> dict[str, str]:
    """Have a worker look at a batch that is too large for a request, if a look is due; when its answer may be there."""
    if batch.total_items <= IN_PAGE_LIMIT or not is_due(batch):
        return {}
    looks.ask_for_look(batch.pk)
    return {"Retry-After": str(looks.LOOK_REQUEST_SECONDS)}


DOCUMENT = {(200, "application/json"): OBJECT}
DOCUMENTS = {(200, "application/json"): {"type": "array", "items": OBJECT}}


class Recommendations(PortalView):
    @extend_schema(responses=DOCUMENTS)
    def get(self, request: Request, batch_id: str) -> Response:
        """What to do about the failures, how sure that is, what it should bring, and what it brought.

        Of a batch of more than 5,000 items as of a worker's last look; `Retry-After` says that there will be another.
        """
        batch = operations.get_batch(batch_id)
        up_to = None if batch.total_items <= IN_PAGE_LIMIT else IN_PAGE_LIMIT
        advice = recommendations.listed(batch, errors_of(batch), up_to=up_to)
        return Response(advice, headers=retry_after(batch))


class MayApply(MayTriage):
    """Applying starts something: it needs both rights."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and MayView().has_permission(request, view)


class Decision(PortalView):
    """What decides about advice: the right to triage, and what starts something also the right to operate."""

    permission_classes = (MayTriage,)

    def arguments(self, request: Request) -> dict[str, Any]:
        return {"actor": actor_of(request)} | checked(ReasonSerializer, request)


def answer_with(advice: Recommendation) -> Response:
    """A recommendation as it is after a decision."""
    return Response(recommendations.as_dict(advice, recommendations.track_records()))


class ApplyRecommendation(Decision):
    permission_classes = (MayApply,)

    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Do what it says; 409 if it is not open, or the batch's status does not allow it now."""
        return answer_with(recommendations.apply(batch_id, number, **self.arguments(request)))


class DismissRecommendation(Decision):
    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Do not show it again, unless its evidence doubles."""
        return answer_with(recommendations.dismiss(batch_id, number, **self.arguments(request)))


class UndoRecommendation(Decision):
    permission_classes = (MayApply,)

    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Show again what was dismissed, or take back what was applied; 409 if that cannot be taken back."""
        return answer_with(recommendations.undo(batch_id, number, **self.arguments(request)))


class Plan(Decision):
    @extend_schema(responses=DOCUMENT)
    def get(self, request: Request, batch_id: str) -> Response:
        """The recovery plan as it was last worked out."""
        return Response(plans.show(batch_id))

    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str) -> Response:
        """Work the recovery plan out anew; nothing of it is carried out."""
        plans.make(batch_id, actor=self.arguments(request)["actor"])
        return Response(plans.show(batch_id))


class ApplyStep(Decision):
    permission_classes = (MayApply,)

    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Carry out one step, once; 409 if it is done, or the batch's status does not allow it now."""
        return Response(plans.as_dict(plans.apply(batch_id, number, **self.arguments(request))))


class ApplyPlan(Decision):
    operation_name = "all"
    permission_classes = (MayApply,)

    @act(ReasonSerializer, DOCUMENTS)
    def post(self, request: Request, batch_id: str) -> Response:
        """Carry out the open steps, until one has to wait for the one before: ask again when the batch is at rest."""
        return Response([plans.as_dict(step) for step in plans.apply_all(batch_id, **self.arguments(request))])


class RunPlan(Decision):
    """Run the plan as a whole, pause that, or give it up."""

    verb: str = ""
    permission_classes = (MayApply,)

    @act(ReasonSerializer, DOCUMENT)
    def post(self, request: Request, batch_id: str) -> Response:
        """It goes on by itself whenever the batch is at rest; 409 if the verb is illegal now."""
        batch = operations.get_batch(batch_id)
        plan_runs.VERBS[self.verb](batch.pk, **self.arguments(request))
        return Response(plans.show(batch.pk))


class ErrorRecordList(OfBatch):
    """Every failed attempt, oldest first."""

    rows = ErrorRecord.objects.select_related("group", "traceback")
    serializer_class = ErrorRecordSerializer
    pagination_class = ById
    filterset_class = RecordFilter
