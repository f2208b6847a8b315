"""Deleting and archiving batches, from a batch's page and from the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from batches import operations
from batches.admin.acts import LONGEST_REASON
from batches.admin.batch_views import BatchViews
from batches.exceptions import BatchError
from batches.models import Batch, Removal
from batches.pages.context import context_of
from batches.pages.removal_page import MOST_SELECTED, removal_confirmation
from batches.rights import DELETE

Kind = Removal.Kind
OPERATIONS = {Kind.DELETE: operations.delete, Kind.ARCHIVE: operations.archive}
MESSAGES = {
    Kind.DELETE: "{batch} is being deleted, a little at a time.",
    Kind.ARCHIVE: "{batch} is being archived: its items go, a summary stays.",
}


class RemovalViews(BatchViews):
    """Each asks for the right to delete: GET says what would go, POST has it go."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(DELETE))  # type: ignore[union-attr]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self.remove(request, object_id, Kind.DELETE)

    def archive_view(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        return self.remove(request, batch_id, Kind.ARCHIVE)

    def remove(self, request: HttpRequest, batch_id: str, kind: Removal.Kind) -> HttpResponse:
        """The batch that the address names, as it stands there."""
        batch = self.viewed(request, batch_id)
        if not self.has_delete_permission(request, batch):
            raise PermissionDenied
        if request.method == "POST":
            remove_each([batch_id], kind, request)
            return redirect(batch)
        page = removal_confirmation([batch_id], kind, batch.get_absolute_url())
        return self.render(request, "remove.html", context_of(page), title=page.question)

    def remove_selected(
        self, request: HttpRequest, batches: QuerySet[Batch], kind: Removal.Kind, action: str
    ) -> HttpResponse | None:
        """Asks first; the answer comes back as the same action, with the batches that were asked about."""
        batch_ids = list(batches.order_by("-created_at", "-pk").values_list("pk", flat=True)[: MOST_SELECTED + 1])
        if request.POST.get("post"):
            remove_each(batch_ids[:MOST_SELECTED], kind, request)
            return None
        if len(batch_ids) > MOST_SELECTED:
            messages.warning(request, f"Select {MOST_SELECTED} batches at most, or make a rule of retention for them.")
            return None
        page = removal_confirmation(batch_ids, kind, reverse("admin:batches_batch_changelist"), action)
        return self.render(request, "remove.html", context_of(page), title=page.question)

    @admin.action(description="Archive…", permissions=["delete"])
    def archive_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        return self.remove_selected(request, batches, Kind.ARCHIVE, "archive_selected")

    @admin.action(description="Delete…", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> HttpResponse | None:
        return self.remove_selected(request, batches, Kind.DELETE, "delete_selected")


def remove_each(batch_ids: Sequence[str], kind: Removal.Kind, request: HttpRequest) -> None:
    """Have each go, and tell the person what happens now or why it was refused."""
    actor, reason = request.user.get_username(), request.POST.get("reason", "").strip()[:LONGEST_REASON]
    for batch_id in batch_ids:
        try:
            OPERATIONS[kind](batch_id, actor=actor, reason=reason)
            messages.success(request, MESSAGES[kind].format(batch=batch_id))
        except BatchError as error:
            messages.warning(request, str(error))
