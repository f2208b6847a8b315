"""REST: the pause of everything."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.lanes import global_pause
from batches.models import GlobalPause
from batches.rest.permissions import MayPauseEverything
from batches.rest.portal_view import PortalView, act, actor_of, checked
from batches.rest.requests import StrictMixin

SHOWN = 20


class GlobalPauseSerializer(serializers.ModelSerializer[GlobalPause]):
    """A time in which no worker took an item, or takes one."""

    class Meta:
        model = GlobalPause
        fields = ("in_force", "reason", "actor", "began_at", "lifted_at", "lifted_by", "lifted_reason")
        read_only_fields = fields


class PausesSerializer(serializers.Serializer[Any]):
    """Whether everything is paused now, and the record: the latest first, at most 20."""

    paused = serializers.BooleanField()
    pauses = GlobalPauseSerializer(many=True)


class PauseRequestSerializer(StrictMixin, serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2_000, help_text="Everybody who waits sees it.")


def pauses() -> dict[str, Any]:
    paused, latest = global_pause.is_on(), GlobalPause.objects.all()[:SHOWN]
    return dict(PausesSerializer({"paused": paused, "pauses": latest}).data)


class PauseEverything(PortalView):
    permission_classes = (MayPauseEverything,)

    @extend_schema(responses=PausesSerializer)
    def get(self, request: Request) -> Response:
        """Whether everything is paused, and the record of it."""
        return Response(pauses())

    @act(PauseRequestSerializer, {200: PausesSerializer})
    def post(self, request: Request) -> Response:
        """Pause everything: no worker takes an item of any batch; 409 if everything is paused already."""
        reason = checked(PauseRequestSerializer, request)["reason"]
        operations.pause_everything(actor=actor_of(request), reason=reason)
        return Response(pauses())

    @extend_schema(
        parameters=[OpenApiParameter("reason", str, description="Why; it is kept on record.")],
        request=None,
        responses={200: PausesSerializer},
    )
    def delete(self, request: Request) -> Response:
        """Lift it: batches go on as they were; 409 if not everything is paused."""
        operations.lift(actor=actor_of(request), reason=request.query_params.get("reason", ""))
        return Response(pauses())
