"""REST of fix and resubmit: a corrected file in, a retry of its rows out."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.http import QueryDict
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.intake import fixes
from batches.models import Correction, Fix
from batches.rest import fix_documents
from batches.rest.fix_documents import (
    CorrectionSerializer,
    FixDiffSerializer,
    FixFileSerializer,
    FixItemsSerializer,
    FixSerializer,
    source_of,
)
from batches.rest.idempotent_requests import earlier_answer, once_per_key
from batches.rest.pagination import ById
from batches.rest.portal_view import MOST_LISTED, PortalView, actor_of, checked

DRY_RUN = OpenApiParameter(
    "dry_run", {"type": "string", "enum": ["0", "1"], "default": "0"}, description="1: answer the difference only."
)


class Fixes(PortalView):
    @extend_schema(operation_id="batches_fixes_list", responses=FixSerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """Files of corrected rows, the latest first, at most 100: what they changed, by whom, and what came of it."""
        listed = fixes.listed(operations.get_batch(batch_id))[:MOST_LISTED]
        return Response(FixSerializer(listed, many=True).data)

    @extend_schema(
        parameters=[DRY_RUN],
        request={"multipart/form-data": FixFileSerializer, "application/json": FixItemsSerializer},
        responses={202: FixDiffSerializer, 200: FixDiffSerializer},
    )
    def post(self, request: Request, batch_id: str) -> Response:
        """Correct failed items by a file and retry them: 202; all of its rows or none. A dry run answers 200.

        The same content twice is the same retry.
        """
        body = checked(FixFileSerializer if isinstance(request.data, QueryDict) else FixItemsSerializer, request)
        source = source_of(body) | {"actor": actor_of(request)}
        if body.pop("dry_run") or request.query_params.get("dry_run", "0").lower() in ("1", "true"):
            return Response(fix_documents.dry_run(batch_id, **source))
        if earlier := earlier_answer(request):
            return earlier
        with operations.fix_to_apply(batch_id, **source) as fix:
            return self.apply(request, batch_id, fix, body)

    @once_per_key
    def apply(self, request: Request, batch_id: str, checked_fix: Fix, options: dict[str, Any]) -> Response:
        """Only this is the key's transaction: the check before it may take a while, and nobody must wait for it."""
        fix = operations.apply_fix(batch_id, checked_fix.number, actor=actor_of(request), **options)
        assert fix.retry is not None
        fix.notes = checked_fix.notes
        location = reverse("batch-retry-detail", args=[batch_id, fix.retry.number])
        return Response(fix_documents.document(fix), status.HTTP_202_ACCEPTED, headers={"Location": location})


class FixDetail(PortalView):
    @extend_schema(responses=FixDiffSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """What one file changed, and what became of the items."""
        return Response(fix_documents.document(operations.get_fix(batch_id, number)))


class CorrectionFilter(filters.FilterSet):
    verdict = filters.ChoiceFilter(choices=Correction.Verdict.choices)
    item_key = filters.CharFilter(field_name="key", max_length=200, strip=False)

    class Meta:
        model = Correction
        fields: tuple[str, ...] = ()


class FixRows(PortalView, ListAPIView[Correction]):
    """Every row of a file, in its order: what it changed, or why it was refused."""

    queryset = Correction.objects.none()
    serializer_class = CorrectionSerializer
    pagination_class = ById
    filterset_class = CorrectionFilter

    def get_queryset(self):  # type: ignore[no-untyped-def]
        if getattr(self, "swagger_fake_view", False):
            return Correction.objects.none()
        return operations.get_fix(self.kwargs["batch_id"], self.kwargs["number"]).corrections.all()
