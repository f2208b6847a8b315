"""Bulk retries: what one would do, confirmed and begun; how far it is; and what became of its items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from batches import operations
from batches.exceptions import ScopeChanged
from batches.lifecycle.retry_states import LEGAL_STATES
from batches.models import Batch, Item, Retry
from batches.page_acts import say_not_done
from batches.wording import quantity
from errors.desk.confirm_form import page_key
from errors.desk.retry_confirmation import retry_confirmation
from errors.desk.retry_form import RetryForm
from errors.desk.retry_list import retry_list
from errors.desk.retry_page import retry_page
from errors.desk.views.access import Route, operable_batch, or_404, reason_of, refusals_shown, render, viewable_batch
from errors.desk.views.confirming import answers_of, carry_out
from errors.filters.error_filter import ErrorFilter
from errors.recovery.forecast import Forecast, forecast

MOST_SELECTED = 10_000
SUGGESTED = ("canary", "needed", "after")
"""Answers that a button of some advice suggests in the address."""
Begin = Callable[[dict[str, Any]], Retry]
"""Begins a retry with the form's options."""


# -- before ------------------------------------------------------------------------------------------------------------


def retry_group(request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
    """The failed items of one group."""
    return confirm(request, operable_batch(request, batch_id), {"group": fingerprint})


def retry_matching(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Everything that the desk's filter meets, not a page of it; without a filter, everything that failed."""
    return confirm(request, operable_batch(request, batch_id), matching_scope(request))


def matching_scope(request: HttpRequest) -> dict[str, Any]:
    values = ErrorFilter.from_query(request.GET).as_dict()
    return {"matching": values} if values else {"all_failed": True}


def retry_items(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Items that were selected in a list, by their ids."""
    batch = operable_batch(request, batch_id)
    if begun := begun_before(request, batch):
        return begun
    texts = request.POST.get("items", "").split(",")[:MOST_SELECTED]
    return confirm_retry(request, batch, [int(text) for text in texts if text.isdecimal() and len(text) < 19])


def confirm_retry(request: HttpRequest, batch: Batch, item_ids: Sequence[int]) -> HttpResponse:
    """The same for items of the batch that are named already; its form leads to `retry_items`."""
    failed = Item.objects.filter(batch=batch, pk__in=item_ids, failed_at__isnull=False).order_by("position")
    keys = list(failed.values_list("key", flat=True))
    if not keys:
        messages.warning(request, "None of the selected items is failed: there is nothing to retry.")
        return redirect("admin:errors_desk", batch.pk)
    return confirm(request, batch, {"item_keys": keys}, selected_ids=",".join(map(str, item_ids)))


def confirm(
    request: HttpRequest, batch: Batch, scope: dict[str, Any], *, selected_ids: str = "", begin: Begin | None = None
) -> HttpResponse:
    """GET says exactly what will happen; POST does that, or shows it again (409) if it would be something else by now.

    Without `begin` the operation itself begins the retry.
    """
    if begun := begun_before(request, batch):
        return begun
    expected: Forecast = or_404(lambda: forecast(batch, scope))
    form = RetryForm(batch, expected, answers_of(request), initial=suggested_answers(request))

    def act() -> HttpResponse:
        options = form.options()
        options["predicted"] = expected.predicted_for(options["permanent"])
        actor = request.user.get_username()
        retry = begin(options) if begin else operations.retry(batch.pk, actor=actor, **options, **scope)
        return redirect("admin:errors_retry", batch.pk, retry.number)

    outcome, notice = carry_out(form, act), ""
    if isinstance(outcome, HttpResponse):
        return outcome
    if isinstance(outcome, ScopeChanged):
        notice = (
            f"Meanwhile this changed: it means {quantity(outcome.current, 'item')} now, not {outcome.confirmed:,}. "
        )
        notice += "Nothing was done. Look at it again, and confirm what is there now."
        expected = forecast(batch, scope)
        form = RetryForm(batch, expected, initial=form.answers())
    page = retry_confirmation(batch, scope, expected, form, selected_ids=selected_ids, notice=notice)
    return render(request, "retry_confirm.html", page, title=page.question, status=409 if notice else 200)


def begun_before(request: HttpRequest, batch: Batch) -> HttpResponseRedirect | None:
    """The retry that this very page has begun already: a button pressed twice is pressed once."""
    token = request.POST.get("token", "")
    retry = batch.retries.filter(key=page_key(token)).first() if token else None
    return redirect("admin:errors_retry", batch.pk, retry.number) if retry else None


def suggested_answers(request: HttpRequest) -> dict[str, int]:
    """Of an address such as ?canary=0&needed=0&after=60."""
    texts = {name: request.GET.get(name, "") for name in SUGGESTED}
    return {name: int(text) for name, text in texts.items() if text.isdecimal() and len(text) < 7}


def rehearse(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The same items, run for real and rolled back; a sample of them."""
    batch = operable_batch(request, batch_id)
    if request.method != "POST":
        return redirect("admin:batches_batch_rehearse", batch.pk)
    scope = {"group": request.GET["group"]} if list(request.GET) == ["group"] else matching_scope(request)
    with refusals_shown(request):
        actor = request.user.get_username()
        rehearsal = operations.rehearse(batch.pk, sample=operations.DEFAULT_CANARY, actor=actor, **scope)
        return redirect("admin:batches_batch_rehearsal", batch.pk, rehearsal.number)
    return redirect("admin:errors_desk", batch.pk)


# -- meanwhile and after -----------------------------------------------------------------------------------------------


def show_retry(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """One retry, live: its state, what became of its items, and the items behind each number."""
    batch = viewable_batch(request, batch_id)
    retry: Retry = or_404(lambda: operations.get_retry(batch.pk, number))
    page = retry_page(retry, request.GET.get("fate", ""), request.GET.get("after", ""))
    return render(request, "retry.html", page, title=f"Retry {number} of {batch}")


def steer_retry(request: HttpRequest, batch_id: str, number: int, verb: str) -> HttpResponse:
    """Pause, resume or cancel it."""
    batch = operable_batch(request, batch_id)
    or_404(lambda: operations.get_retry(batch.pk, number))
    if verb not in LEGAL_STATES:
        raise Http404
    if request.method == "POST":
        with refusals_shown(request):
            actor, reason = request.user.get_username(), reason_of(request)
            getattr(operations, f"{verb}_retry")(batch.pk, number, actor=actor, reason=reason)
    else:
        say_not_done(request, f"“{verb.capitalize()}”")
    return redirect("admin:errors_retry", batch.pk, number)


def list_retries(request: HttpRequest, batch_id: str) -> HttpResponse:
    """The batch's retries, the latest first."""
    batch = viewable_batch(request, batch_id)
    return render(request, "retries.html", retry_list(batch), title=f"Retries of {batch}")


ROUTES: tuple[Route, ...] = (
    ("desk/<str:batch_id>/group/<str:fingerprint>/retry/", retry_group, "errors_group_retry"),
    ("desk/<str:batch_id>/retry/", retry_matching, "errors_retry_matching"),
    ("desk/<str:batch_id>/retry/items/", retry_items, "errors_retry_items"),
    ("desk/<str:batch_id>/rehearse/", rehearse, "errors_rehearse"),
    ("desk/<str:batch_id>/retries/", list_retries, "errors_retries"),
    ("desk/<str:batch_id>/retries/<int:number>/", show_retry, "errors_retry"),
    ("desk/<str:batch_id>/retries/<int:number>/<str:verb>/", steer_retry, "errors_retry_act"),
)
