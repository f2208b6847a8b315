"""REST of verbs upon every error group that a filter meets: done as one act, looked at, and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.rest.idempotent_requests import once_per_key
from batches.rest.portal_view import PortalView, checked
from batches.rest.requests import ReasonSerializer
from errors.filters.error_filter import ErrorFilter
from errors.groups import bulk
from errors.models import BulkAct
from errors.rest.group_views import LISTED, met, resolving
from errors.rest.permissions import MayTriage
from errors.rest.serializers import BulkActSerializer, BulkResultSerializer


class ActOnGroups(PortalView):
    """One of the verbs upon all groups of a batch that a filter meets, each on its own."""

    verb: str = ""
    serializer_class: Any = None
    permission_classes = (MayTriage,)

    @extend_schema(responses=BulkResultSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Do it wherever it is legal; answers which groups were changed, which were not and why, and where to undo it.

        At most 5,000 groups at once.
        """
        said = checked(self.serializer_class, request)
        wanted, count = said.pop("filter"), said.pop("count", None)
        if self.verb == "resolve":
            said = resolving(batch_id, said)[1]
        made = bulk.act(
            batch_id,
            self.verb,
            ErrorFilter.from_query(wanted | {"text": wanted.get("text") or wanted.get("q") or ""}),
            key=f"rest {uuid4()}",
            choose=partial(chosen, wanted=wanted, count=count),
            actor=request.user.get_username(),
            **said,
        )
        return Response(result_of(made))


def chosen(batch: Batch, wanted: Mapping[str, Any], count: int | None) -> dict[int, str]:
    """id -> fingerprint, by the filter of the list; with `count`, only if it still meets as many as somebody was shown.

    Read once: what is counted is what is acted upon.
    """
    rows = met(LISTED.filter(batch=batch), batch, wanted)
    if (fingerprints := wanted.get("fingerprints")) is not None:
        rows = rows.filter(group__fingerprint__in=fingerprints)
    names = bulk.fingerprints_of(rows)
    if count not in (None, len(names)):
        problem = f"The filter meets {len(names):,} groups now, not {count:,}."
        raise InvalidInput(problem, {"count": ["Look at the list again."]})
    return names


def result_of(made: BulkAct) -> dict[str, Any]:
    return {
        "act": made.number,
        "changed": [one["fingerprint"] for one in made.changed],
        "refused": [{"fingerprint": one["fingerprint"], "why": one["why"]} for one in made.refused],
        "undo_url": reverse("batch-group-act-undo", args=[made.batch_id, made.number]),
    }


class BulkActs(PortalView):
    @extend_schema(responses=BulkActSerializer(many=True))
    def get(self, request: Request, batch_id: str) -> Response:
        """Acts upon many groups of the batch, by REST or on the desk, the latest first, at most 100."""
        batch = operations.get_batch(batch_id)
        made = BulkAct.objects.filter(batch=batch).order_by("-number")[:100]
        return Response(BulkActSerializer(made, many=True).data)


class BulkActDetail(PortalView):
    @extend_schema(responses=BulkActSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """What one of them changed and what it could not, and whether it was taken back."""
        return Response(BulkActSerializer(bulk.get(batch_id, number)).data)


class UndoBulkAct(PortalView):
    permission_classes = (MayTriage,)

    @extend_schema(request={"application/json": ReasonSerializer}, responses=BulkActSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Put back every group that is still as the act left it; `undone.left` names the others. Twice: 409."""
        said = checked(ReasonSerializer, request)
        found = bulk.undo(batch_id, number, actor=request.user.get_username(), **said)
        return Response(BulkActSerializer(found).data)
