"""REST of the triage app: the error report, and the records it is made of."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches import operations
from batches.exceptions import InvalidInput
from batches.idempotent_requests import once_per_key
from batches.models import Retry
from batches.pagination import ById
from batches.permissions import MayTriage, MayView
from batches.schema import schema_of
from batches.serializers import ReasonSerializer
from batches.views import OfBatch, PortalView, checked
from errors import error_analyzer, groups, plans, recommendations, regrouping, scopes
from errors.findings import findings
from errors.models import BatchGroup, ErrorGroup, ErrorRecord
from errors.serializers import (
    AssignSerializer,
    BatchGroupSerializer,
    ErrorRecordSerializer,
    IgnoreSerializer,
    MergeSerializer,
    NoteSerializer,
    ResolveSerializer,
    SplitSerializer,
)


class RecordFilter(filters.FilterSet):
    code = filters.CharFilter(max_length=64)
    item_key = filters.CharFilter(max_length=200, strip=False)
    group = filters.CharFilter(field_name="group__fingerprint", max_length=16, label="Fingerprint of an error group.")

    class Meta:
        model = ErrorRecord
        fields: tuple[str, ...] = ()


class ErrorReport(PortalView):
    @extend_schema(responses={(200, "application/json"): schema_of(error_analyzer.ErrorReport)})
    def get(self, request: Request, batch_id: str) -> Response:
        """What failed in the batch, counted and put into words."""
        return Response(error_analyzer.aggregate_errors(operations.get_batch(batch_id).pk).to_dict())


class ErrorFindings(PortalView):
    @extend_schema(responses={(200, "application/json"): {"type": "array", "items": {"type": "object"}}})
    def get(self, request: Request, batch_id: str) -> Response:
        """What the failures have in common, one finding a cause, the strongest first."""
        return Response(findings(operations.get_batch(batch_id)))


OBJECT = {"type": "object", "additionalProperties": {}}
MANY = {"type": "array", "items": OBJECT}


class Recommendations(PortalView):
    @extend_schema(responses={(200, "application/json"): MANY})
    def get(self, request: Request, batch_id: str) -> Response:
        """What to do about the failures, how sure that is, what it should bring, and what it brought."""
        batch = operations.get_batch(batch_id)
        return Response(recommendations.listed(batch, recommendations.errors_of(batch)))


class MayApply(MayTriage):
    """Applying starts something: it needs both rights."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and MayView().has_permission(request, view)


class Decision(PortalView):
    """What decides about advice: the right to triage, and what starts something also the right to operate."""

    permission_classes = (MayTriage,)

    def said(self, request: Request) -> dict[str, Any]:
        return {"actor": request.user.get_username()} | checked(ReasonSerializer, request)


class ApplyRecommendation(Decision):
    permission_classes = (MayApply,)

    @extend_schema(request={"application/json": ReasonSerializer}, responses={(200, "application/json"): OBJECT})
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Do what it says; 409 if it is not open, or the batch's status does not allow it now."""
        found = recommendations.apply(batch_id, number, **self.said(request))
        return Response(recommendations.as_dict(found, recommendations.records_of_rules()))


class DismissRecommendation(Decision):
    @extend_schema(request={"application/json": ReasonSerializer}, responses={(200, "application/json"): OBJECT})
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Do not show it again, unless its evidence doubles."""
        found = recommendations.dismiss(batch_id, number, **self.said(request))
        return Response(recommendations.as_dict(found, recommendations.records_of_rules()))


class Plan(Decision):
    @extend_schema(responses={(200, "application/json"): OBJECT})
    def get(self, request: Request, batch_id: str) -> Response:
        """The recovery plan as it was last worked out."""
        return Response(plans.show(batch_id))

    @extend_schema(request={"application/json": ReasonSerializer}, responses={(200, "application/json"): OBJECT})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Work the recovery plan out anew; nothing of it is carried out."""
        plans.make(batch_id, actor=self.said(request)["actor"])
        return Response(plans.show(batch_id))


class ApplyStep(Decision):
    permission_classes = (MayApply,)

    @extend_schema(request={"application/json": ReasonSerializer}, responses={(200, "application/json"): OBJECT})
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Carry out one step, once; 409 if it is done, or the batch's status does not allow it now."""
        return Response(plans.as_dict(plans.apply(batch_id, number, **self.said(request))))


class ApplyPlan(Decision):
    permission_classes = (MayApply,)

    @extend_schema(request={"application/json": ReasonSerializer}, responses={(200, "application/json"): MANY})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Carry out the open steps, until one has to wait for the one before: ask again when the batch is at rest."""
        return Response([plans.as_dict(step) for step in plans.apply_all(batch_id, **self.said(request))])


class ErrorRecordList(OfBatch):
    """Every failed attempt, oldest first."""

    rows = ErrorRecord.objects.select_related("group")
    serializer_class = ErrorRecordSerializer
    pagination_class = ById
    filterset_class = RecordFilter


class GroupFilter(filters.FilterSet):
    state = filters.ChoiceFilter(field_name="group__state", choices=ErrorGroup.State.choices)
    category = filters.CharFilter(field_name="group__category", max_length=12)
    code = filters.CharFilter(field_name="group__code", max_length=64)
    q = filters.CharFilter(field_name="group__title", lookup_expr="icontains", max_length=200, label="In the title.")

    class Meta:
        model = BatchGroup
        fields: tuple[str, ...] = ()


LISTED = BatchGroup.objects.select_related("group__assignee", "group__clean_after").prefetch_related("group__merged")


class ErrorGroupList(OfBatch):
    """The batch's error groups, first come first."""

    rows = LISTED
    serializer_class = BatchGroupSerializer
    pagination_class = ById
    filterset_class = GroupFilter


def group_in(batch_id: str, fingerprint: str) -> BatchGroup:
    """The group by its fingerprint, or by one that was merged into it."""
    batch = operations.get_batch(batch_id)
    found = LISTED.filter(batch=batch, group=scopes.group_in(batch, fingerprint)).first()
    if found is None:
        raise Http404(f"Batch {batch_id} has no error group {fingerprint}.")
    return found


def retry_of(batch_id: str, number: int) -> Retry:
    found = Retry.objects.filter(batch=batch_id, number=number).first()
    if found is None:
        raise InvalidInput(f"Batch {batch_id} has no retry {number}.", {"retry": ["Unknown retry."]})
    return found


class ActOnGroup(PortalView):
    """One of the verbs upon an error group; it holds for the group in every batch of the processor."""

    verb: str = ""
    permission_classes = (MayTriage,)

    @extend_schema(request={"application/json": ReasonSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Do it: 200; 409 with the group's current state if it is illegal now."""
        return self.act(request, batch_id, fingerprint, checked(ReasonSerializer, request))

    def act(self, request: Request, batch_id: str, fingerprint: str, said: dict[str, Any], verb: str = "") -> Response:
        group_id = group_in(batch_id, fingerprint).group_id
        getattr(groups, verb or self.verb)(group_id, actor=request.user.get_username(), **said)
        return Response(BatchGroupSerializer(group_in(batch_id, fingerprint)).data)


class ResolveGroup(ActOnGroup):
    verb = "resolve"

    @extend_schema(request={"application/json": ResolveSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Resolve it: now, from a version of the processor on, or when a bulk retry turns out clean."""
        said = checked(ResolveSerializer, request)
        if "retry" not in said:
            return self.act(request, batch_id, fingerprint, said)
        if "in_version" in said:
            raise InvalidInput(
                "Resolve in a version or after a retry, not both.", {"retry": ["Leave one of them out."]}
            )
        said["retry"] = retry_of(batch_id, said["retry"])
        return self.act(request, batch_id, fingerprint, said, "resolve_when_clean")


class IgnoreGroup(ActOnGroup):
    verb = "ignore"

    @extend_schema(request={"application/json": IgnoreSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Ignore it until a condition is met, or for good."""
        return self.act(request, batch_id, fingerprint, checked(IgnoreSerializer, request))


class MergeGroup(ActOnGroup):
    verb = "merge"

    @extend_schema(request={"application/json": MergeSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Let it count in another group of the batch, for what there is and for what is to come; answers that one."""
        said = checked(MergeSerializer, request)
        into = other_group(batch_id, said.pop("into"), "into")
        actor, group_id = request.user.get_username(), group_in(batch_id, fingerprint).group_id
        regrouping.merge(group_id, into.pk, actor=actor, **said)
        return Response(BatchGroupSerializer(group_in(batch_id, fingerprint)).data)


class SplitGroup(ActOnGroup):
    verb = "split"

    @extend_schema(request={"application/json": SplitSerializer}, responses=BatchGroupSerializer(many=True))
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Take out what was merged into it, or make a group for each place in the code; answers the batch's parts."""
        said, group_id = checked(SplitSerializer, request), group_in(batch_id, fingerprint).group_id
        who = {"actor": request.user.get_username(), "reason": said.get("reason", "")}
        if "by" in said:
            parts = regrouping.split_by_place(group_id, **who)
        else:
            out = other_group(batch_id, said["fingerprint"], "fingerprint")
            regrouping.split(group_id, out.pk, **who)
            parts = [group_id, out.pk]
        rows = LISTED.filter(batch=batch_id, group__in=parts).order_by("pk")
        return Response(BatchGroupSerializer(rows, many=True).data)


def other_group(batch_id: str, fingerprint: str, field: str) -> ErrorGroup:
    processor = operations.get_batch(batch_id).processor
    found = ErrorGroup.objects.filter(processor=processor, fingerprint=fingerprint).first()
    if found is None:
        problem = f"There is no error group {fingerprint!r} of this processor."
        raise InvalidInput(problem, {field: ["Unknown fingerprint."]})
    return found


class AssignGroup(ActOnGroup):
    verb = "assign"

    @extend_schema(request={"application/json": AssignSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Assign it to a user, or to nobody."""
        return self.act(request, batch_id, fingerprint, checked(AssignSerializer, request))


class NoteOnGroup(ActOnGroup):
    verb = "note"

    @extend_schema(request={"application/json": NoteSerializer}, responses=BatchGroupSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Leave a remark in its history."""
        said = checked(NoteSerializer, request)
        return self.act(request, batch_id, fingerprint, {"text": said["reason"]})
