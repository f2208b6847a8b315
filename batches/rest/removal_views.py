"""REST: deleting and archiving, and the record of it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.access.scopes import processors_of
from batches.exceptions import InvalidInput, UnknownBatch
from batches.models import Removal
from batches.operations import RemovalPlan
from batches.rest.pagination import LatestFirst
from batches.rest.permissions import MayDelete
from batches.rest.portal_view import PortalView, act, actor_of, checked
from batches.rest.requests import ReasonSerializer
from batches.rest.serializers import BatchPageSerializer, RedactedField, page_of


class RemovalSerializer(serializers.ModelSerializer[Removal]):
    """What is, or was, deleted or archived."""

    number = serializers.IntegerField(source="pk", read_only=True)
    percent = serializers.IntegerField(read_only=True, help_text="How far it has come, by items.")
    contents = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="What there was of it, by a noun, when it began."
    )
    summary = RedactedField(read_only=True, help_text="What an archived batch was: counts, groups, promises.")

    class Meta:
        model = Removal
        fields = (
            *("number", "batch_id", "name", "processor", "kind", "state", "percent", "status_before", "contents"),
            *("items", "removed_items", "removed_rows", "summary", "rule", "actor", "reason", "note"),
            *("submitted_by", "submitted_at", "ended_at", "began_at", "finished_at"),
        )
        read_only_fields = fields


class RemovalPlanSerializer(serializers.Serializer[RemovalPlan]):
    """What would go of a batch, and what would stay."""

    batch_id = serializers.CharField(source="batch.pk")
    kind = serializers.ChoiceField(choices=Removal.Kind.choices)
    contents = serializers.DictField(child=serializers.IntegerField(), help_text="What would go, by a noun.")
    database_bytes = serializers.IntegerField(help_text="About so many of the database would be free.")
    remarks = serializers.ListField(child=serializers.CharField(), help_text="What would stay, in sentences.")
    refusal = serializers.CharField(allow_blank=True, help_text="Why it cannot be done now; empty: it can.")


def under_way(removal: Removal) -> Response:
    """202: it goes on by itself."""
    location = reverse("removal", args=[removal.pk])
    return Response(RemovalSerializer(removal).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class BatchDetail(PortalView):
    permission_classes = (MayDelete,)

    @extend_schema(responses=BatchPageSerializer)
    def get(self, request: Request, batch_id: str) -> Response:
        """One batch, with the verbs that are legal now."""
        return Response(page_of(operations.get_batch(batch_id)))

    @extend_schema(
        parameters=[OpenApiParameter("reason", str, description="Why; it is kept on record.")],
        request=None,
        responses={202: RemovalSerializer},
    )
    def delete(self, request: Request, batch_id: str) -> Response:
        """Delete a batch at rest with all that belongs to it: 202, and workers do it; 409 while anything of it runs."""
        reason = request.query_params.get("reason", "")[:2_000]
        return under_way(operations.delete(batch_id, actor=actor_of(request), reason=reason))


class ArchiveBatch(PortalView):
    permission_classes = (MayDelete,)

    @act(ReasonSerializer, {202: RemovalSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Remove items and errors of a batch that has ended, and keep a summary: 202; 409 while anything of it runs."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        return under_way(operations.archive(batch_id, actor=actor_of(request), reason=reason))


class RemovalPlanView(PortalView):
    @extend_schema(
        parameters=[OpenApiParameter("kind", str, enum=Removal.Kind.values, default=Removal.Kind.DELETE)],
        responses=RemovalPlanSerializer,
    )
    def get(self, request: Request, batch_id: str) -> Response:
        """What would go if the batch were deleted or archived now, and what would stay."""
        kind = request.query_params.get("kind", Removal.Kind.DELETE)
        if kind not in Removal.Kind.values:
            message = f"One of {', '.join(Removal.Kind.values)}."
            raise InvalidInput(f"kind: {message}", {"kind": [message]})
        return Response(RemovalPlanSerializer(operations.removal_plan(batch_id, kind)).data)


class RemovalList(PortalView, ListAPIView[Removal]):
    """What was deleted or archived, the latest first."""

    queryset = Removal.objects.all()
    serializer_class = RemovalSerializer
    pagination_class = LatestFirst
    limits_by_processor = True

    def get_queryset(self) -> QuerySet[Removal]:
        return shown_to(self.request.user, super().get_queryset())


class RemovalDetail(PortalView):
    limits_by_processor = True

    @extend_schema(responses=RemovalSerializer)
    def get(self, request: Request, number: int) -> Response:
        """One of them: how far it has come."""
        removal = shown_to(request.user, Removal.objects.filter(pk=number)).first()
        if removal is None:
            raise UnknownBatch(f"There is no removal {number}.")
        return Response(RemovalSerializer(removal).data)


def shown_to(user: Any, rows: QuerySet[Removal]) -> QuerySet[Removal]:
    """A token that is limited to some processors shows those of their batches."""
    processors = processors_of(user)
    return rows.filter(processor__in=processors) if processors else rows
