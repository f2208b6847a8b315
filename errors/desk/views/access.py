"""What every view of the desk begins and ends with: the rights it needs, its batch or a 404, the page drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from batches.exceptions import BatchError
from batches.models import Batch
from batches.rights import OPERATE, VIEW
from errors.models import ErrorGroup
from errors.rights import TRIAGE

Route = tuple[str, Callable[..., HttpResponseBase], str]
"""Route, view and name."""


def require_rights(request: HttpRequest, *rights: str) -> None:
    """Raise PermissionDenied for a person who lacks one of them."""
    if not request.user.has_perms(rights):  # type: ignore[union-attr]
        raise PermissionDenied


class ErrorsGone(Exception):
    """The batch's items and errors are gone, or going: there is nothing to triage."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch.pk)
        self.batch = batch


def leading_to_batch(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view; of a batch whose errors are gone it leads to the page that says so."""

    @wraps(view)
    def led(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except ErrorsGone as gone:
            return redirect(gone.batch)

    return led


def viewable_batch(request: HttpRequest, batch_id: str) -> Batch:
    """The batch, for a person who may look at it; Http404 without one, `ErrorsGone` where nothing is left to triage."""
    require_rights(request, VIEW)
    batch = Batch.objects.filter(pk=batch_id).first() if "\x00" not in batch_id else None
    if batch is None:
        raise Http404(f"There is no batch {batch_id}.")
    if batch.status in Batch.REMOVED:
        raise ErrorsGone(batch)
    return batch


def operable_batch(request: HttpRequest, batch_id: str) -> Batch:
    """The batch, for a person who may act on it."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, OPERATE)
    return batch


def recoverable_batch(request: HttpRequest, batch_id: str) -> Batch:
    """The batch, for a person who may triage and operate."""
    batch = viewable_batch(request, batch_id)
    require_rights(request, TRIAGE, OPERATE)
    return batch


def or_404(lookup: Callable[[], Any]) -> Any:
    """The answer of a lookup; Http404 where it raises a BatchError."""
    try:
        return lookup()
    except BatchError as error:
        raise Http404(str(error)) from None


@contextmanager
def refusals_shown(request: HttpRequest) -> Iterator[None]:
    """What an operation refuses is said on the next page."""
    try:
        yield
    except BatchError as error:
        messages.warning(request, str(error))


def reason_of(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:2_000]


def render(
    request: HttpRequest, template: str, page: object, *, title: str, status: int = HTTPStatus.OK
) -> TemplateResponse:
    """The page as `page` in its template, beside what every page of the admin has."""
    context = {
        **admin.site.each_context(request),
        "opts": ErrorGroup._meta,
        "title": title,
        "may_operate": request.user.has_perm(OPERATE),  # type: ignore[union-attr]
        "may_triage": request.user.has_perm(TRIAGE),  # type: ignore[union-attr]
        "page": page,
    }
    return TemplateResponse(request, f"admin/errors/{template}", context, status=status)
