"""REST: failed items once more, or not at all: bulk retries, and items that people set aside."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.rest.idempotent_requests import once_per_key
from batches.rest.portal_view import PortalView, actor_of, checked
from batches.rest.requests import ReasonSerializer, RetryRequestSerializer, ScopeSerializer
from batches.rest.serializers import AsideSerializer, RetrySerializer

MOST_LISTED = 100


class RetryBatch(PortalView):
    @extend_schema(request={"application/json": RetryRequestSerializer}, responses={202: RetrySerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Put failed items back and let the batch run."""
        body = checked(RetryRequestSerializer, request)
        retry = operations.retry(batch_id, actor=actor_of(request), **body)
        location = reverse("batch-retry-detail", args=[batch_id, retry.number])
        return Response(RetrySerializer(retry).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class RetryDetail(PortalView):
    @extend_schema(responses=RetrySerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """A bulk retry, and what became of its items."""
        return Response(RetrySerializer(operations.get_retry(batch_id, number)).data)


class RetryList(PortalView):
    @extend_schema(responses=RetrySerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """The batch's bulk retries, the latest first, at most 100."""
        retries = operations.get_batch(batch_id).retries.order_by("-number")[:MOST_LISTED]
        return Response(RetrySerializer(retries, many=True).data)


class SteerRetry(PortalView):
    """Pause, resume or cancel a bulk retry."""

    verb: str = ""

    @extend_schema(request={"application/json": ReasonSerializer}, responses={202: RetrySerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Ask for it: 202; 409 if it is illegal now. What was not begun is failed again, and never lost."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        retry = getattr(operations, f"{self.verb}_retry")(batch_id, number, actor=actor_of(request), reason=reason)
        return Response(RetrySerializer(retry).data, status.HTTP_202_ACCEPTED)


class QuarantineItems(PortalView):
    @extend_schema(responses=AsideSerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """What people have set aside, the latest first, at most 100."""
        acts = operations.get_batch(batch_id).asides.order_by("-number")[:MOST_LISTED]
        return Response(AsideSerializer(acts, many=True).data)

    @extend_schema(request={"application/json": ScopeSerializer}, responses={201: AsideSerializer})
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Set items aside that failed or wait: nothing runs or retries them until they are brought back."""
        scope = checked(ScopeSerializer, request)
        act = operations.set_aside(batch_id, actor=actor_of(request), **scope)
        return Response(AsideSerializer(act).data, status.HTTP_201_CREATED)


class ReturnItems(PortalView):
    @extend_schema(request={"application/json": ReasonSerializer}, responses=AsideSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Undo it: each item is as it was; those that had not run yet, run."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        act = operations.bring_back(batch_id, number, actor=actor_of(request), reason=reason)
        return Response(AsideSerializer(act).data)
