"""Bulk retries: what one would do, confirmed and begun; how far it is; and what became of its items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from batches import operations
from batches.exceptions import BatchError, InvalidInput, ScopeChanged
from batches.lifecycle.retry_states import LEGAL_STATES
from batches.models import Batch, Item, Retry
from errors.desk import retry_page
from errors.desk.forms import RetryForm, page_key
from errors.desk.views.access import Route, operable_batch, or_404, reason_of, render, viewable_batch
from errors.filters.error_filter import ErrorFilter
from errors.recovery.forecast import Forecast, forecast

MOST_SELECTED = 10_000


# -- before ------------------------------------------------------------------------------------------------------------


def retry_group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """The failed items of one group."""
    return confirm(request, operable_batch(request, batch_id), {"group": fingerprint})


def retry_matching(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Everything that the desk's filter meets, not a page of it; without a filter, everything that failed."""
    return confirm(request, operable_batch(request, batch_id), matching(request))


def matching(request: HttpRequest) -> dict[str, Any]:
    said = ErrorFilter.from_query(request.GET).as_dict()
    return {"matching": said} if said else {"all_failed": True}


def retry_items(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Items that were selected in a list, by their ids."""
    batch = operable_batch(request, batch_id)
    if done := begun_before(request, batch):
        return done
    ids = [part for part in request.POST.get("items", "").split(",") if part.isdecimal() and len(part) < 19]
    return confirm_retry(request, batch, [int(part) for part in ids[:MOST_SELECTED]])


def confirm_retry(request: HttpRequest, batch: Batch, item_ids: Sequence[int]) -> HttpResponse:
    """The same for items of the batch that are named already; its form leads to `retry_items`."""
    failed = Item.objects.filter(batch=batch, pk__in=item_ids, failed_at__isnull=False).order_by("position")
    keys = list(failed.values_list("key", flat=True))
    if not keys:
        messages.warning(request, "None of the selected items is failed: there is nothing to retry.")
        return redirect("admin:errors_desk", batch.pk)
    selected, action = ",".join(map(str, item_ids)), reverse("admin:errors_retry_items", args=[batch.pk])
    return confirm(request, batch, {"item_keys": keys}, {"selected": selected, "form_action": action})


Begin = Callable[[dict[str, Any]], Retry]
"""Begins the retry as a person answered; without one the operation itself does."""


def confirm(
    request: HttpRequest,
    batch: Batch,
    scope: dict[str, Any],
    more: dict[str, Any] | None = None,
    begin: Begin | None = None,
) -> HttpResponse:
    """GET says exactly what will happen; POST does that, or shows it again if it would be something else by now."""
    if done := begun_before(request, batch):
        return done
    try:
        found = forecast(batch, scope)
    except InvalidInput as error:
        raise Http404(str(error)) from None
    answered = request.method == "POST" and "token" in request.POST
    form = RetryForm(batch, found, request.POST if answered else None, initial=first_answers(request))
    notice = ""
    if answered and form.is_valid():
        try:
            return begun(request, batch, scope, form, found, begin)
        except ScopeChanged as changed:
            found = forecast(batch, scope)
            notice = f"Meanwhile this changed: it means {changed.found:,} items now, not {changed.confirmed:,}. "
            notice += "Nothing was done. Look at it again, and confirm what is there now."
            form = RetryForm(batch, found, initial=form.answers())
        except BatchError as error:
            refuse(form, error)
    shown = retry_page.confirmation(batch, scope, found)
    context = {**shown, **layout(form), "rehearse_url": rehearse_url(batch, scope), "notice": notice, **(more or {})}
    answer = render(request, "retry_confirm.html", context, title=shown["question"])
    answer.status_code = 409 if notice else 200
    return answer


def layout(form: RetryForm) -> dict[str, Any]:
    """The fields in their places; what has an answer, or an error, is not folded away."""
    folded = [form[name] for name in ("after", "rate", "concurrency", "params")]
    told = any(field.errors or field.html_name in form.changed_data for field in folded) if form.is_bound else False
    told = told or bool(form["after"].value())
    return {"form": form, "how": [form["canary"], form["needed"]], "more_fields": folded, "more_open": told}


def rehearse_url(batch: Batch, scope: dict[str, Any]) -> str:
    """Where the same items are rehearsed; empty for selected ones."""
    address = reverse("admin:errors_rehearse", args=[batch.pk])
    if "group" in scope:
        return f"{address}?{urlencode({'group': scope['group']})}"
    return f"{address}?{urlencode(scope.get('matching', {}))}" if "item_keys" not in scope else ""


def begun_before(request: HttpRequest, batch: Batch) -> HttpResponseRedirect | None:
    """The retry that this very page has begun already: a button pressed twice is pressed once."""
    token = request.POST.get("token", "")
    made = batch.retries.filter(key=page_key(token)).first() if token else None
    return redirect("admin:errors_retry", batch.pk, made.number) if made else None


def first_answers(request: HttpRequest) -> dict[str, Any]:
    """What a button of some advice proposes: ?canary=0&needed=0&after=60."""
    said = {name: request.GET.get(name, "") for name in ("canary", "needed", "after")}
    return {name: int(value) for name, value in said.items() if value.isdecimal() and len(value) < 7}


def begun(
    request: HttpRequest,
    batch: Batch,
    scope: dict[str, Any],
    form: RetryForm,
    found: Forecast,
    begin: Begin | None,
) -> HttpResponseRedirect:
    """As it was answered."""
    asked = form.asked()
    asked["predicted"] = found.predicted_for(asked["permanent"])
    made = begin(asked) if begin else operations.retry(batch.pk, actor=request.user.get_username(), **asked, **scope)
    return redirect("admin:errors_retry", batch.pk, made.number)


def refuse(form: RetryForm, error: BatchError) -> None:
    """What the operation refused, at its field; parameters of a processor have theirs together."""
    told = getattr(error, "errors", {})
    for name, said in told.items():
        form.add_error(name if name in form.fields else "params" if form.cleaned_data.get("params") else None, said)
    if not told:
        form.add_error(None, str(error))


def rehearse(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The same items, run for real and rolled back; a sample of them."""
    batch = operable_batch(request, batch_id)
    if request.method != "POST":
        return redirect("admin:batches_batch_rehearse", batch.pk)
    scope = {"group": request.GET["group"]} if list(request.GET) == ["group"] else matching(request)
    try:
        actor = request.user.get_username()
        made = operations.rehearse(batch.pk, sample=operations.DEFAULT_CANARY, actor=actor, **scope)
    except BatchError as error:
        messages.warning(request, str(error))
        return redirect("admin:errors_desk", batch.pk)
    return redirect("admin:batches_batch_rehearsal", batch.pk, made.number)


# -- meanwhile and after -----------------------------------------------------------------------------------------------


def retry(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One retry, live: its state, what became of its items, and the items behind each number."""
    batch = viewable_batch(request, batch_id)
    made: Retry = or_404(lambda: operations.get_retry(batch.pk, number))
    after = request.GET.get("after", "")
    context = retry_page.retry_page(
        made, request.GET.get("fate", ""), int(after) if after.isdecimal() and len(after) < 10 else -1
    )
    return render(request, "retry.html", context, title=f"Retry {number} of {batch}")


def retry_act(request: HttpRequest, batch_id: str, number: int, verb: str) -> HttpResponse:
    """Pause, resume or cancel it."""
    batch = operable_batch(request, batch_id)
    or_404(lambda: operations.get_retry(batch.pk, number))
    if verb not in LEGAL_STATES:
        raise Http404
    if request.method == "POST":
        try:
            actor, reason = request.user.get_username(), reason_of(request)
            getattr(operations, f"{verb}_retry")(batch.pk, number, actor=actor, reason=reason)
        except BatchError as error:
            messages.warning(request, str(error))
    return redirect("admin:errors_retry", batch.pk, number)


def retries(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The batch's retries, the latest first."""
    batch = viewable_batch(request, batch_id)
    rows = retry_page.summaries(list(batch.retries.select_related("batch").order_by("-number")[:100]))
    return render(request, "retries.html", {"batch": batch, "rows": rows}, title=f"Retries of {batch}")


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/retry/", retry_group, "errors_group_retry"),
    ("desk/<str:batch_id>/retry/", retry_matching, "errors_retry_matching"),
    ("desk/<str:batch_id>/retry/items/", retry_items, "errors_retry_items"),
    ("desk/<str:batch_id>/rehearse/", rehearse, "errors_rehearse"),
    ("desk/<str:batch_id>/retries/", retries, "errors_retries"),
    ("desk/<str:batch_id>/retries/<int:number>/", retry, "errors_retry"),
    ("desk/<str:batch_id>/retries/<int:number>/<str:verb>/", retry_act, "errors_retry_act"),
)
