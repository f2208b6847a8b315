"""REST of error groups: listed by filter, and acted upon one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet
from django.http import Http404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from batches import operations
from batches.exceptions import InvalidInput
from batches.models import Batch, Retry
from batches.rest.pagination import ById
from batches.rest.portal_view import OfBatch, PortalView, act, actor_of, checked
from batches.rest.requests import ReasonSerializer
from errors import groups
from errors.filters import scopes
from errors.filters.ageing import ageing_flag
from errors.filters.error_filter import ErrorFilter
from errors.filters.rest_filter import ErrorFilterSet
from errors.grouping import failing_now
from errors.groups import background
from errors.models import BatchGroup, ErrorGroup, RegroupJob
from errors.rest.permissions import MayTriage
from errors.rest.serializers import (
    AssignSerializer,
    BatchGroupSerializer,
    IgnoreSerializer,
    MergeSerializer,
    NoteSerializer,
    ResolveSerializer,
    SplitSerializer,
)

LISTED = (
    BatchGroup.objects.select_related("group__assignee", "group__clean_after")
    .prefetch_related("group__merged")
    .annotate(ageing=ageing_flag("group__"))
)


class GroupFilter(ErrorFilterSet):
    q = filters.CharFilter(max_length=200, label="The same as `text`.")
    ageing = filters.BooleanFilter(label="New for long, and nobody has looked at it.")

    class Meta:
        model = BatchGroup
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[BatchGroup]) -> QuerySet[BatchGroup]:
        return matching(queryset, self.batch, self.form.cleaned_data)


def matching(rows: QuerySet[BatchGroup], batch: Batch, criteria: Mapping[str, Any]) -> QuerySet[BatchGroup]:
    """The groups that a filter means."""
    rows = filter_of(criteria).narrow(rows, batch)
    ageing = criteria.get("ageing")
    return rows if ageing is None else rows.filter(Q(ageing=ageing))


def filter_of(criteria: Mapping[str, Any]) -> ErrorFilter:
    return ErrorFilter.from_query({**criteria, "text": criteria.get("text") or criteria.get("q") or ""})


class ErrorGroupList(OfBatch):
    """The batch's error groups, first come first."""

    rows = LISTED
    serializer_class = BatchGroupSerializer
    pagination_class = ById
    filterset_class = GroupFilter

    def get_queryset(self) -> QuerySet[BatchGroup]:
        if not getattr(self, "swagger_fake_view", False):
            failing_now.refresh(operations.get_batch(self.kwargs["batch_id"]))
        return super().get_queryset()


def group_in(batch_id: str, fingerprint: str) -> BatchGroup:
    """The group by its fingerprint, or by one that was merged into it."""
    batch = operations.get_batch(batch_id)
    failing_now.refresh(batch)
    rollup = LISTED.filter(batch=batch, group=scopes.group_in(batch, fingerprint)).first()
    if rollup is None:
        raise Http404(f"Batch {batch_id} has no error group {fingerprint}.")
    return rollup


def retry_of(batch_id: str, number: int) -> Retry:
    retry = Retry.objects.filter(batch=batch_id, number=number).first()
    if retry is None:
        raise InvalidInput(f"Batch {batch_id} has no retry {number}.", {"retry": ["Unknown retry."]})
    return retry


class ActOnGroup(PortalView):
    """One of the verbs upon an error group; it holds for the group in every batch of the processor."""

    verb: str = ""
    permission_classes = (MayTriage,)

    @act(ReasonSerializer, BatchGroupSerializer)
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Do it: 200; 409 with the group's current state if it is illegal now."""
        return self.do(request, batch_id, fingerprint, checked(ReasonSerializer, request))

    def do(self, request: Request, batch_id: str, fingerprint: str, body: dict[str, Any], verb: str = "") -> Response:
        group_id = group_in(batch_id, fingerprint).group_id
        getattr(groups, verb or self.verb)(group_id, actor=actor_of(request), **body)
        return Response(BatchGroupSerializer(group_in(batch_id, fingerprint)).data)


class ResolveGroup(ActOnGroup):
    verb = "resolve"

    @act(ResolveSerializer, BatchGroupSerializer)
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Resolve it: now, from a version of the processor on, or when a bulk retry turns out clean."""
        verb, options = resolve_options(batch_id, checked(ResolveSerializer, request))
        return self.do(request, batch_id, fingerprint, options, verb)


def resolve_options(batch_id: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The verb that resolves a group now, or when a bulk retry turns out clean, and its options."""
    if "retry" not in body:
        return "resolve", body
    if "in_version" in body:
        raise InvalidInput("Resolve in a version or after a retry, not both.", {"retry": ["Leave one of them out."]})
    return "resolve_when_clean", body | {"retry": retry_of(batch_id, body["retry"])}


class IgnoreGroup(ActOnGroup):
    verb = "ignore"

    @act(IgnoreSerializer, BatchGroupSerializer)
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Ignore it until a condition is met, or for good."""
        return self.do(request, batch_id, fingerprint, checked(IgnoreSerializer, request))


class MergeGroup(ActOnGroup):
    verb = "merge"

    @act(MergeSerializer, {200: BatchGroupSerializer, 202: BatchGroupSerializer})
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Let it count in another group of the batch, for what there is and for what is to come; answers that one.

        202 above 5,000 errors, 1,000 on SQLite: a worker moves them, and each counts as before until it has moved.
        """
        body, group_id = checked(MergeSerializer, request), group_in(batch_id, fingerprint).group_id
        into = other_group(batch_id, body.pop("into"), "into")
        done = background.regroup("merge", group_id, into.pk, actor=actor_of(request), **body)
        return Response(BatchGroupSerializer(group_in(batch_id, fingerprint)).data, status_of(done))


class SplitGroup(ActOnGroup):
    verb = "split"

    @act(SplitSerializer, {200: BatchGroupSerializer(many=True), 202: BatchGroupSerializer(many=True)})
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Take out what was merged into it, or make a group for each place in the code; answers the batch's parts.

        202 above 5,000 errors, 1,000 on SQLite: a worker moves them, and each counts as before until it has moved.
        """
        body, group_id = checked(SplitSerializer, request), group_in(batch_id, fingerprint).group_id
        who = {"actor": actor_of(request), "reason": body.get("reason", "")}
        if "by" in body:
            parts = done = background.regroup("split_by_place", group_id, **who)
        else:
            out = other_group(batch_id, body["fingerprint"], "fingerprint")
            done = background.regroup("split", group_id, out.pk, **who)
            parts = [group_id, out.pk]
        if isinstance(done, RegroupJob):
            parts = [group_id]
        rows = LISTED.filter(batch=batch_id, group__in=parts).order_by("pk")
        return Response(BatchGroupSerializer(rows, many=True).data, status_of(done))


def status_of(done: Any) -> int:
    """202 where a worker does it, because of its size; the answer is what there is until then."""
    return status.HTTP_202_ACCEPTED if isinstance(done, RegroupJob) else status.HTTP_200_OK


def other_group(batch_id: str, fingerprint: str, field: str) -> ErrorGroup:
    processor = operations.get_batch(batch_id).processor
    group = ErrorGroup.objects.filter(processor=processor, fingerprint=fingerprint).first()
    if group is None:
        problem = f"There is no error group {fingerprint!r} of this processor."
        raise InvalidInput(problem, {field: ["Unknown fingerprint."]})
    return group


class AssignGroup(ActOnGroup):
    verb = "assign"

    @act(AssignSerializer, BatchGroupSerializer)
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Assign it to a user, or to nobody."""
        return self.do(request, batch_id, fingerprint, checked(AssignSerializer, request))


class NoteOnGroup(ActOnGroup):
    verb = "note"

    @act(NoteSerializer, BatchGroupSerializer)
    def post(self, request: Request, batch_id: str, fingerprint: str) -> Response:
        """Leave a remark in its history."""
        return self.do(request, batch_id, fingerprint, {"text": checked(NoteSerializer, request)["reason"]})
