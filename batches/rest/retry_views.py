"""REST: failed items once more, or not at all: bulk retries, and items that people set aside."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.engine.budget import BUDGETS
from batches.models import Quarantine, Retry
from batches.rest.portal_view import LatestOfBatch, PortalView, act, actor_of, checked
from batches.rest.requests import ReasonSerializer, RetryRequestSerializer, ScopeSerializer
from batches.rest.serializers import QuarantineSerializer, RetrySerializer


class RetryBatch(PortalView):
    @act(RetryRequestSerializer, {202: RetrySerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Put failed items back and let the batch run."""
        body = checked(RetryRequestSerializer, request)
        budget = {name: body.pop(name) for name in BUDGETS if name in body}
        retry = operations.retry(batch_id, actor=actor_of(request), budget=budget, **body)
        location = reverse("batch-retry-detail", args=[batch_id, retry.number])
        return Response(RetrySerializer(retry).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class RetryDetail(PortalView):
    @extend_schema(responses=RetrySerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """A bulk retry, and what became of its items."""
        return Response(RetrySerializer(operations.get_retry(batch_id, number)).data)


class RetryList(LatestOfBatch):
    """The batch's bulk retries, the latest first, at most 100."""

    rows = Retry.objects.all()
    serializer_class = RetrySerializer


class SteerRetry(PortalView):
    """Pause, resume or cancel a bulk retry."""

    verb: str = ""

    @act(ReasonSerializer, {202: RetrySerializer})
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Ask for it: 202; 409 if it is illegal now. What was not begun is failed again, and never lost."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        retry = getattr(operations, f"{self.verb}_retry")(batch_id, number, actor=actor_of(request), reason=reason)
        return Response(RetrySerializer(retry).data, status.HTTP_202_ACCEPTED)


class QuarantineItems(LatestOfBatch):
    """What people have set aside, the latest first, at most 100."""

    rows = Quarantine.objects.all()
    serializer_class = QuarantineSerializer

    @act(ScopeSerializer, {201: QuarantineSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Set items aside that failed or wait: nothing runs or retries them until they are brought back."""
        scope = checked(ScopeSerializer, request)
        quarantine = operations.quarantine(batch_id, actor=actor_of(request), **scope)
        return Response(QuarantineSerializer(quarantine).data, status.HTTP_201_CREATED)


class ReturnItems(PortalView):
    @act(ReasonSerializer, QuarantineSerializer)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Undo it: each item is as it was; those that had not run yet, run."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        quarantine = operations.release(batch_id, number, actor=actor_of(request), reason=reason)
        return Response(QuarantineSerializer(quarantine).data)
