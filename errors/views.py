"""REST of the triage app: the error report, and the records it is made of."""

from __future__ import annotations

import django_filters as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.pagination import ById
from batches.schema import schema_of
from batches.views import OfBatch, PortalView
from errors import error_analyzer
from errors.findings import findings
from errors.models import ErrorRecord
from errors.serializers import ErrorRecordSerializer


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
