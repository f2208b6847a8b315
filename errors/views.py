"""REST of the triage app: the error report, and the records it is made of."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.idempotent_requests import once_per_key
from batches.pagination import ById
from batches.permissions import MayTriage
from batches.schema import schema_of
from batches.serializers import ReasonSerializer
from batches.views import OfBatch, PortalView, checked
from errors import error_analyzer, groups
from errors.findings import findings
from errors.models import BatchGroup, ErrorGroup, ErrorRecord
from errors.serializers import AssignSerializer, BatchGroupSerializer, ErrorRecordSerializer, NoteSerializer


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


class ErrorGroupList(OfBatch):
    """The batch's error groups, first come first."""

    rows = BatchGroup.objects.select_related("group__assignee")
    serializer_class = BatchGroupSerializer
    pagination_class = ById
    filterset_class = GroupFilter


def group_in(batch_id: str, fingerprint: str) -> BatchGroup:
    rows = BatchGroup.objects.filter(batch=operations.get_batch(batch_id), group__fingerprint=fingerprint)
    found = rows.select_related("group__assignee").first()
    if found is None:
        raise Http404(f"Batch {batch_id} has no error group {fingerprint}.")
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

    def act(self, request: Request, batch_id: str, fingerprint: str, said: dict[str, Any]) -> Response:
        group_id = group_in(batch_id, fingerprint).group_id
        getattr(groups, self.verb)(group_id, actor=request.user.get_username(), **said)
        return Response(BatchGroupSerializer(group_in(batch_id, fingerprint)).data)


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
