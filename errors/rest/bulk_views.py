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

from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.rest.idempotent_requests import once_per_key
from batches.rest.portal_view import LatestOfBatch, PortalView, act, actor_of, checked
from batches.rest.requests import ReasonSerializer
from batches.wording import quantity
from errors.groups import bulk
from errors.models import BulkAct
from errors.rest.group_views import LISTED, filter_of, matching, resolve_options
from errors.rest.permissions import MayTriage
from errors.rest.serializers import BulkActSerializer, BulkResultSerializer


class ActOnGroups(PortalView):
    """One of the verbs upon all groups of a batch that a filter meets, each on its own."""

    verb: str = ""
    operation_name = "all"
    serializer_class: Any = None
    permission_classes = (MayTriage,)

    @extend_schema(responses=BulkResultSerializer)
    @once_per_key
    def post(self, request: Request, batch_id: str) -> Response:
        """Do it wherever it is legal; answers which groups were changed, which were not and why, and where to undo it.

        At most 5,000 groups at once.
        """
        body = checked(self.serializer_class, request)
        criteria, count = body.pop("filter"), body.pop("count", None)
        options = resolve_options(batch_id, body)[1] if self.verb == "resolve" else body
        bulk_act = bulk.act(
            batch_id,
            self.verb,
            filter_of(criteria),
            key=f"rest {uuid4()}",
            choose=partial(chosen, criteria=criteria, count=count),
            actor=actor_of(request),
            **options,
        )
        return Response(result_of(bulk_act))


def chosen(batch: Batch, criteria: Mapping[str, Any], count: int | None) -> dict[int, str]:
    """id -> fingerprint, by the filter of the list; with `count`, only if it still meets as many as somebody was shown.

    Read once: what is counted is what is acted upon.
    """
    rows = matching(LISTED.filter(batch=batch), batch, criteria)
    if (fingerprints := criteria.get("fingerprints")) is not None:
        rows = rows.filter(group__fingerprint__in=fingerprints)
    names = bulk.fingerprints_of(rows)
    if count not in (None, len(names)):
        problem = f"The filter meets {quantity(len(names), 'group')} now, not {count:,}."
        raise InvalidInput(problem, {"count": ["Look at the list again."]})
    return names


def result_of(bulk_act: BulkAct) -> dict[str, Any]:
    return {
        "act": bulk_act.number,
        "changed": [group["fingerprint"] for group in bulk_act.changed],
        "refused": [{"fingerprint": group["fingerprint"], "why": group["why"]} for group in bulk_act.refused],
        "undo_url": reverse("batch-group-act-undo", args=[bulk_act.batch_id, bulk_act.number]),
    }


class BulkActs(LatestOfBatch):
    """Acts upon many groups of the batch, by REST or on the desk, the latest first, at most 100."""

    rows = BulkAct.objects.all()
    serializer_class = BulkActSerializer


class BulkActDetail(PortalView):
    @extend_schema(responses=BulkActSerializer)
    def get(self, request: Request, batch_id: str, number: int) -> Response:
        """What one of them changed and what it could not, and whether it was taken back."""
        return Response(BulkActSerializer(bulk.get(batch_id, number)).data)


class UndoBulkAct(PortalView):
    permission_classes = (MayTriage,)

    @act(ReasonSerializer, BulkActSerializer)
    def post(self, request: Request, batch_id: str, number: int) -> Response:
        """Put back every group that is still as the act left it; `undone.left` names the others. Twice: 409."""
        bulk_act = bulk.undo(batch_id, number, actor=actor_of(request), **checked(ReasonSerializer, request))
        return Response(BulkActSerializer(bulk_act).data)
