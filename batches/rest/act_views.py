"""REST: acts upon a batch that runs or waits; each calls one operation."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.models import Batch
from batches.rest.idempotent_requests import earlier_answer, once_per_key
from batches.rest.permissions import MayWatch
from batches.rest.portal_view import PortalView, act, actor_of, checked, submission_answer
from batches.rest.requests import (
    AdjustSerializer,
    BudgetSerializer,
    DecisionSerializer,
    GiveUpSerializer,
    ReasonSerializer,
    RehearseRequestSerializer,
    RunAgainSerializer,
)
from batches.rest.serializers import BatchPageSerializer, ItemSerializer, RehearsalSerializer, page_of


class SteerBatch(PortalView):
    """One of the verbs that change a batch's status."""

    verb: str = ""

    @act(ReasonSerializer, {202: BatchPageSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Ask for it: 202; 409 with the current status if it is illegal now."""
        reason = checked(ReasonSerializer, request).get("reason", "")
        batch: Batch = getattr(operations, self.verb)(batch_id, actor=actor_of(request), reason=reason)
        return Response(page_of(batch), status.HTTP_202_ACCEPTED)


class ResumeBatch(PortalView):
    @act(BudgetSerializer, {202: BatchPageSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Go on: 202; 409 with the current status if it is illegal now; 400 if the batch was halted by its error budget
        and that is used up still."""
        body = checked(BudgetSerializer, request)
        batch = operations.resume(batch_id, actor=actor_of(request), **body)
        return Response(page_of(batch), status.HTTP_202_ACCEPTED)


class RunAgain(PortalView):
    @extend_schema(
        request={"application/json": RunAgainSerializer}, responses={201: BatchPageSerializer, 200: BatchPageSerializer}
    )
    def post(self, request: Request, batch_id: str) -> Response:
        """Make a new batch of the same rows and parameters: 201, or 200 when it stands under this id already."""
        body = checked(RunAgainSerializer, request)
        if earlier := earlier_answer(request):
            return earlier
        with operations.rows_copied(batch_id, new_id=body.get("id", ""), name=body.get("name", "")) as copied:
            return self.run_again(request, batch_id, body, copied)

    @once_per_key
    def run_again(
        self, request: Request, batch_id: str, body: dict[str, Any], copied: operations.RowsCopied
    ) -> Response:
        """Only this is the key's transaction: many rows are copied before it, and nobody waits for that."""
        submission = operations.run_again(
            batch_id,
            name=body.get("name", ""),
            start_at=body.get("start_at"),
            actor=actor_of(request),
            user=request.user,
            copied=copied,
        )
        return submission_answer(request, submission, start=body["start"])


class AdjustBatch(PortalView):
    @act(AdjustSerializer, {200: BatchPageSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Change how it runs, also while it runs: lanes, rate, attempts, time limit, error budget."""
        changes = checked(AdjustSerializer, request)
        return Response(page_of(operations.adjust(batch_id, actor=actor_of(request), **changes)))


class GiveUpItems(PortalView):
    @act(GiveUpSerializer, {200: BatchPageSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Fail the items that wait for their next try; the rest of the batch goes on."""
        body = checked(GiveUpSerializer, request)
        operations.give_up(batch_id, actor=actor_of(request), **body)
        return Response(page_of(operations.get_batch(batch_id)))


class RehearseBatch(PortalView):
    @act(RehearseRequestSerializer, {202: RehearsalSerializer})
    def post(self, request: Request, batch_id: str) -> Response:
        """Run it, or a sample of it, and roll everything back; a worker does it."""
        body = checked(RehearseRequestSerializer, request)
        body.pop("reason", None)
        rehearsal = operations.rehearse(batch_id, actor=actor_of(request), **body)
        location = reverse("batch-rehearsal", args=[batch_id, rehearsal.number])
        return Response(RehearsalSerializer(rehearsal).data, status.HTTP_202_ACCEPTED, headers={"Location": location})


class RehearsalDetail(PortalView):
    @extend_schema(responses=RehearsalSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """A rehearsal, and the error report the run would have had."""
        return Response(RehearsalSerializer(operations.get_rehearsal(batch_id, number)).data)


class DecideCall(PortalView):
    @act(DecisionSerializer, ItemSerializer)
    def post(self, request: Request, batch_id: str) -> Response:
        """A person's word on a call of unknown outcome."""
        body = checked(DecisionSerializer, request)
        item = operations.decide(
            batch_id, body["item_key"], body["outcome"], actor=actor_of(request), reason=body.get("reason", "")
        )
        return Response(ItemSerializer(item).data)


class WatchBatch(PortalView):
    """Mail about a batch to the account that asks: POST begins it, DELETE ends it."""

    permission_classes = (MayWatch,)

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, batch_id: str) -> Response:
        """Mail me at its milestones, and when it ends or halts."""
        operations.watch(batch_id, request.user)  # type: ignore[arg-type]
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, batch_id: str) -> Response:
        """No more mail about it."""
        operations.unwatch(batch_id, request.user)  # type: ignore[arg-type]
        return Response(status=status.HTTP_204_NO_CONTENT)
