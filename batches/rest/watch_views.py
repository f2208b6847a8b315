"""REST of watching: what is mailed to the account that asks, and when."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import clock, operations
from batches.models import Watch
from batches.rest.permissions import MayWatch
from batches.rest.portal_view import PortalView, act, checked
from batches.rest.requests import StrictMixin

MOST_BATCHES = 100


class WatchesSerializer(serializers.Serializer[Any]):
    """What is mailed to the account that asks."""

    everything = serializers.BooleanField(help_text="Every batch: its end, and its halt.")
    processors = serializers.ListField(child=serializers.CharField(), help_text="The same of all their batches.")
    batches = serializers.ListField(
        child=serializers.CharField(), help_text="Ids of those that are watched by themselves: the latest 100."
    )
    digest_hour = serializers.IntegerField(allow_null=True, help_text="One digest a day at that hour; null: at once.")
    digest_at = serializers.DateTimeField(allow_null=True, help_text="When the next digest is due.")


class WatchRequestSerializer(StrictMixin, serializers.Serializer[Any]):
    processor = serializers.CharField(max_length=100, allow_blank=True, help_text="Empty: every batch.")


class DigestRequestSerializer(StrictMixin, serializers.Serializer[Any]):
    digest_hour = serializers.IntegerField(
        min_value=0, max_value=23, allow_null=True, help_text="One digest a day at that hour; null: at once."
    )
    zone = serializers.CharField(
        required=False,
        max_length=64,
        help_text="Of the hour, where the account has no zone of its own; UTC unless set.",
    )


def watches_of(user: Any) -> dict[str, Any]:
    standing, preference = operations.standing_watches(user), operations.mail_preference(user)
    watched = Watch.objects.filter(user_id=user.pk).order_by("-pk")
    return {
        "everything": operations.EVERYTHING in standing,
        "processors": [name for name in standing if name != operations.EVERYTHING],
        "batches": list(watched.values_list("batch", flat=True)[:MOST_BATCHES]),
        "digest_hour": preference.digest_hour,
        "digest_at": clock.with_iso_times(preference.digest_at),
    }


class Watches(PortalView):
    permission_classes = (MayWatch,)

    @extend_schema(responses=WatchesSerializer)
    def get(self, request: Request) -> Response:
        """What is mailed to me, and when."""
        return Response(watches_of(request.user))

    @act(WatchRequestSerializer, {200: WatchesSerializer})
    def post(self, request: Request) -> Response:
        """Mail me when a batch of the processor, or any batch, ends or halts."""
        operations.watch_processor(checked(WatchRequestSerializer, request)["processor"], request.user)  # type: ignore[arg-type]
        return Response(watches_of(request.user))

    @extend_schema(request={"application/json": DigestRequestSerializer}, responses=WatchesSerializer)
    def patch(self, request: Request) -> Response:
        """Mail me at once, or as one digest a day."""
        body = checked(DigestRequestSerializer, request)
        operations.choose_digest(request.user, body["digest_hour"], body.get("zone", ""))  # type: ignore[arg-type]
        return Response(watches_of(request.user))

    @extend_schema(
        parameters=[OpenApiParameter("processor", str, description="Only that one; empty: only “every batch”.")],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        """No more mail of that kind; without a processor no mail at all."""
        if (processor := request.query_params.get("processor")) is None:
            operations.stop_all_mail(request.user)  # type: ignore[arg-type]
        else:
            operations.unwatch_processor(processor, request.user)  # type: ignore[arg-type]
        return Response(status=status.HTTP_204_NO_CONTENT)
