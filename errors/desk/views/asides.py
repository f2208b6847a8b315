"""Items set aside: what would be taken, confirmed and done; what is aside; and bringing it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from batches import operations
from batches.exceptions import BatchError, InvalidInput, ScopeChanged
from batches.lifecycle import quarantined_items, scopes
from batches.models import Batch, Item
from errors.desk.forms import AsideForm, page_key
from errors.desk.retry_page import items_of, sample_of
from errors.desk.views.access import Route, operable_batch, reason_of, render, viewable_batch
from errors.desk.views.retries import matching
from errors.recovery.scope_text import describe_scope


def aside_group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """The failed and waiting items of one group."""
    return confirm(request, operable_batch(request, batch_id), {"group": fingerprint})


def aside_matching(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Everything that the desk's filter meets."""
    return confirm(request, operable_batch(request, batch_id), matching(request))


def confirm(
    request: HttpRequest, batch: Batch, scope: dict[str, Any], begin: Callable[..., Any] | None = None
) -> HttpResponse:
    """GET says exactly what will happen; POST does it, if it still is that."""
    rows = taken(batch, scope)
    items, waiting = rows.count(), rows.filter(status=Item.Status.PENDING).count()
    answered = request.method == "POST" and "token" in request.POST
    form = AsideForm(items, request.POST if answered else None)
    notice = ""
    if answered and form.is_valid():
        try:
            said: dict[str, Any] = {"count": form.confirmed, "key": page_key(form.cleaned_data["token"])}
            actor, reason = request.user.get_username(), form.cleaned_data["reason"]
            if begin:
                begin(reason=reason, carefulness=said)
            else:
                operations.set_aside(batch.pk, actor=actor, reason=reason, **said, **scope)
            messages.success(request, f"{items_of(form.confirmed)} set aside. They can be brought back here.")
            return redirect("admin:errors_asides", batch.pk)
        except ScopeChanged as changed:
            notice = f"{changed} "
            form = AsideForm(changed.found, initial=form.answers())
        except BatchError as error:
            form.add_error(None, str(error))
    shown = {
        "batch": batch,
        "question": f"Set {items_of(items)} {describe_scope(batch, scope)} aside?",
        "effects": effects(items, waiting),
        "samples": [sample_of(item) for item in rows.order_by("position")[:5]],
        "button": f"Set {items_of(items)} aside",
        "items": items,
        "form": form,
        "notice": notice,
        "back": reverse("admin:errors_desk", args=[batch.pk]),
        "crumb": "Set aside",
    }
    answer = render(request, "act_confirm.html", shown, title=shown["question"])
    answer.status_code = 409 if notice else 200
    return answer


def taken(batch: Batch, scope: dict[str, Any]) -> Any:
    try:
        name, wanted = scopes.only_scope(scope)
        return quarantined_items.select(batch, scopes.with_waiting_items(batch, name, wanted))
    except InvalidInput as error:
        raise Http404(str(error)) from None


def effects(items: int, waiting: int) -> list[str]:
    never = f" {items_of(waiting)} of them wait for their turn, and do not get it." if waiting else ""
    return [
        f"No run and no retry touches them until they are brought back; they count as quarantined.{never}",
        "The rest of the batch goes on without them. They do not count against its error budget.",
        "It can be undone: bring them back, and each is as it is now.",
    ]


def listed(request: HttpRequest, batch_id: str) -> HttpResponse:
    """What people have set aside, the latest first."""
    batch = viewable_batch(request, batch_id)
    rows = [{"aside": one, "what": describe_scope(batch, one.scope)} for one in batch.asides.order_by("-number")[:100]]
    for row in rows:
        row["now"] = row["aside"].taken.filter(back_at__isnull=True).count()  # type: ignore[attr-defined]
    return render(request, "asides.html", {"batch": batch, "rows": rows}, title=f"Set aside in {batch}")


def bring_back(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Undo it."""
    batch = operable_batch(request, batch_id)
    if request.method == "POST":
        try:
            actor = request.user.get_username()
            made = operations.bring_back(batch.pk, number, actor=actor, reason=reason_of(request))
            messages.success(request, f"Brought back: each of the {items_of(made.items)} is as it was.")
        except BatchError as error:
            messages.warning(request, str(error))
    return redirect("admin:errors_asides", batch.pk)


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/aside/", aside_group, "errors_group_aside"),
    ("desk/<str:batch_id>/aside/", aside_matching, "errors_aside_matching"),
    ("desk/<str:batch_id>/asides/", listed, "errors_asides"),
    ("desk/<str:batch_id>/asides/<int:number>/back/", bring_back, "errors_bring_back"),
)
