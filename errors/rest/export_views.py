"""REST of exports: streamed as they are asked for, or made in the background above a size."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.rest.permissions import MayWatch
from batches.rest.portal_view import LatestOfBatch, PortalView, actor_of
from errors import exports
from errors.exports.downloads import parse_request, refuse_strangers, serve_file, stream
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from errors.exports.tables import KINDS
from errors.filters.rest_filter import ErrorFilterSet
from errors.models import Export


class ExportSerializer(serializers.ModelSerializer[Export]):
    """An export, how far it has come and, once it is whole, where its file is until it expires."""

    percent = serializers.FloatField(read_only=True)
    bytes = serializers.IntegerField(source="written", read_only=True)
    url = serializers.SerializerMethodField()
    file_url = serializers.SerializerMethodField()

    class Meta:
        model = Export
        fields = (
            *("batch_id", "number", "kind", "format", "filters", "raw", "rows", "done", "percent", "state", "note"),
            *("bytes", "actor", "created_at", "finished_at", "expires_at", "url", "file_url"),
        )
        read_only_fields = fields

    def get_url(self, export: Export) -> str:
        return reverse("batch-export", args=[export.batch_id, export.number])

    def get_file_url(self, export: Export) -> str | None:
        """Where the file is; null while there is none."""
        return reverse("batch-export-file", args=[export.batch_id, export.number]) if export.state == "ready" else None


def in_query(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=description)


PARAMETERS = [
    in_query("kind", "What a row is: a group, a failed attempt, a failed item, a failed row as it came.", type="string",
             enum=list(KINDS), default="detail"),
    in_query("raw", "1: cells as they are, also those that a spreadsheet would run (csv and xlsx: admins only).",
             type="string", enum=["0", "1"], default="0"),
    *(in_query(name, str(field.label), type="string") for name, field in ErrorFilterSet.base_filters.items()),
]  # fmt: skip
SERVED = {(200, kind.content_type.partition(";")[0]): bytes for kind in EXPORTERS.values()}


class Streaming(PortalView):
    """Files answer whatever the Accept header says."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


class ExportErrors(Streaming):
    @extend_schema(parameters=PARAMETERS, responses={**SERVED, (202, "application/json"): ExportSerializer})
    def get(self, request: Request, batch_id: str, file_format: str) -> HttpResponseBase:
        """The errors that a filter meets, as a file; `X-Row-Count` says beforehand how many rows it has.

        Above PORTAL_EXPORT_ROWS rows (200,000; XLSX: PORTAL_EXPORT_XLSX_ROWS, 20,000) the answer is 202: a worker makes
        the file, `Location` says how far it is. JSON ends in `"complete": true`, so that a cut download is told apart.
        """
        export_request = parse_request(request, operations.get_batch(batch_id), file_format)
        if exports.needs_background(export_request):
            return self.in_background(request, export_request)
        return stream(request, export_request)

    def in_background(self, request: Request, export_request: ExportRequest) -> Response:
        if request.method == "HEAD":
            return Response(status=status.HTTP_202_ACCEPTED, headers={"X-Row-Count": str(export_request.row_count)})
        export = exports.begin(export_request, actor=actor_of(request), user=request.user)
        document = ExportSerializer(export).data
        headers = {"Location": document["url"], "X-Row-Count": str(export_request.row_count), "Retry-After": "2"}
        return Response(document, status.HTTP_202_ACCEPTED, headers=headers)


class ExportList(LatestOfBatch):
    """The batch's exports, the latest first, at most 100: who took what, and files that can be had."""

    rows = Export.objects.all()
    serializer_class = ExportSerializer


class ExportDetail(PortalView):
    @extend_schema(responses=ExportSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """An export, and how far it has come."""
        return Response(ExportSerializer(exports.get(batch_id, number)).data)


class ExportFile(Streaming):
    @extend_schema(responses=SERVED)
    def get(self, request: Request, batch_id: str, number: int) -> HttpResponseBase:
        """The file, once it is whole: 409 before, 410 when it has expired."""
        return serve_file(request, exports.get(batch_id, number))


class CancelExport(PortalView):
    permission_classes = (MayWatch,)

    @extend_schema(request=None, responses={202: ExportSerializer})
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Stop making it: the person who asked for it, or an admin."""
        refuse_strangers(exports.get(batch_id, number), request.user)
        export = exports.cancel(batch_id, number, actor=actor_of(request))
        return Response(ExportSerializer(export).data, status.HTTP_202_ACCEPTED)
