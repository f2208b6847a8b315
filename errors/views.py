"""REST of the triage app: the error report, and the records it is made of."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from batches.views import OfBatch, Pages, batch_or_404
from errors import error_analyzer
from errors.models import ErrorRecord


class ErrorRecordSerializer(serializers.ModelSerializer[ErrorRecord]):
    fingerprint = serializers.CharField(source="group.fingerprint", read_only=True)

    class Meta:
        model = ErrorRecord
        fields = [
            *("id", "item_key", "position", "attempt", "error_type", "code", "category", "classified_by", "message"),
            *("fields", "final", "fingerprint", "started_at", "finished_at", "worker"),
        ]
        read_only_fields = fields


class RecordPages(Pages):
    ordering = ("id",)


class ErrorReport(APIView):
    """The batch's error report."""

    @extend_schema(responses=dict)
    def get(self, request: Request, batch_id: str) -> Response:
        report: dict[str, Any] = error_analyzer.aggregate_errors(batch_or_404(batch_id).pk).to_dict()
        return Response(report)


class ErrorRecordList(OfBatch, generics.ListAPIView[ErrorRecord]):
    """Every failed attempt, oldest first."""

    serializer_class = ErrorRecordSerializer
    pagination_class = RecordPages
    queryset = ErrorRecord.objects.select_related("group")
