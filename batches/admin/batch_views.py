"""The pages of one batch, and the form of a new one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from batches import operations, processors
from batches.admin.access import OperatedAdmin
from batches.admin.acts import MESSAGES, act
from batches.clients import leaving
from batches.exceptions import BatchError, UnknownProcessor
from batches.extensions import retry_address
from batches.models import Batch, Item
from batches.moments import in_reader_zone
from batches.page_acts import say_not_done
from batches.pages.batch_page import CONFIRMED, batch_page, confirmation
from batches.pages.context import context_of
from batches.pages.forms import AdjustForm, BudgetForm, DecideForm, RehearseForm, RunAgainForm, ZoneForm
from batches.pages.mail_page import unwatched_text
from batches.pages.new_batch_form import NewBatchForm
from batches.pages.rehearsal_page import rehearsal_page
from batches.pages.removal_page import removed_batch_page
from batches.plugins import broken_plugins
from batches.reader_zone import choose_zone, chosen_zone
from batches.wording import quantity


class BatchViews(OperatedAdmin):
    """A view each; those that act ask for the right to operate."""

    # -- looking

    def viewed(self, request: HttpRequest, batch_id: str) -> Batch:
        """The batch, for a person who may look at it; else `Http404` or `PermissionDenied`."""
        batch: Batch | None = self.get_object(request, batch_id)
        if batch is None:
            raise Http404(f"There is no batch {batch_id}.")
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        return batch

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.get_object(request, object_id) is None:
            if self.get_object(request, unquote(object_id)) is not None:
                return redirect("admin:batches_batch_change", unquote(object_id))  # Django's own links quote ids
            removal = operations.last_removal(object_id)
            if removal is not None and self.has_view_permission(request):
                return redirect("admin:batches_removal_change", removal.pk)
        batch = self.viewed(request, object_id)
        if batch.status in Batch.REMOVED:
            return self.render(
                request, "removed.html", context_of(removed_batch_page(batch, request)), title=str(batch)
            )
        return self.render(request, "batch.html", context_of(batch_page(batch, request)), title=str(batch))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Of the batch that the address names: as everywhere, it stands there as it is, and `_5F` is no underscore."""
        return super().history_view(request, quote(object_id), extra_context)

    def watch(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Begin or end to mail this person about the batch."""
        batch, user = self.viewed(request, batch_id), request.user
        if request.method != "POST":
            say_not_done(request, "“Watch”")
            return redirect(batch)
        try:
            if request.POST.get("watch") == "0":
                operations.unwatch(batch_id, user)  # type: ignore[arg-type]
                messages.success(request, unwatched_text(batch, operations.standing_watches(user)))  # type: ignore[arg-type]
            else:
                operations.watch(batch_id, user)  # type: ignore[arg-type]
                messages.success(request, f"Mail to {user.email}: milestones of {batch}, and its end.")  # type: ignore[union-attr]
        except BatchError as error:
            messages.warning(request, str(error))
        return redirect(batch)

    def rehearsal(self, request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
        """What a rehearsal reports so far."""
        batch = self.viewed(request, batch_id)
        try:
            rehearsal = operations.get_rehearsal(batch_id, number)
        except BatchError as error:
            raise Http404(str(error)) from None
        context = context_of(rehearsal_page(batch, rehearsal))
        return self.render(request, "rehearsal.html", context, title=f"Rehearsal of {batch}")

    def zone(self, request: HttpRequest) -> HttpResponse:
        """In which time zone this person reads every page."""
        form = ZoneForm(request.POST or None, initial={"zone": chosen_zone(request)})
        if request.method == "POST" and form.is_valid():
            choose_zone(request, form.cleaned_data["zone"])
            messages.success(
                request, f"Times are in {form.cleaned_data['zone'] or 'the zone of the browser'} from now on."
            )
            return redirect("admin:batches_batch_changelist")
        return self.render(request, "zone.html", {"form": form}, title="Time zone")

    # -- acting

    def operated(self, request: HttpRequest, batch_id: str) -> Batch:
        """The batch, for a person who may act on it; else `Http404` or `PermissionDenied`."""
        batch: Batch | None = self.get_object(request, batch_id)
        if batch is None:
            raise Http404(f"There is no batch {batch_id}.")
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return batch

    def act_on_batch(self, request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
        """POST acts; GET asks for confirmation where an act is on many items."""
        if verb not in MESSAGES:
            raise Http404
        batch = self.operated(request, batch_id)
        if verb == "resume" and operations.holding_reason(batch):
            return self.resume_halted(request, batch)
        if request.method == "POST":
            act(verb, batch_id, request, **meant_by(verb, request))
        elif verb in CONFIRMED and (verb == "give_up" or verb in operations.legal_verbs(batch)):
            return self.confirm(request, batch, verb)
        else:
            say_not_done(request, f"“{verb.replace('_', ' ').capitalize()}”")
        return redirect(batch)

    def resume_halted(self, request: HttpRequest, batch: Batch) -> HttpResponse:
        """Go on with another error budget: as it is, the batch would halt again at the next item that fails."""
        form = BudgetForm(batch, request.POST if answers_about_budget(request) else None)
        if form.is_bound and form.is_valid():
            try:
                actor, reason = request.user.get_username(), form.cleaned_data["reason"]
                operations.resume(batch.pk, actor=actor, reason=reason, **form.budget())
                messages.success(request, f"{batch} goes on where it stopped.")
                return redirect(batch)
            except BatchError as error:
                form.refuse(error)
        lead = f"{operations.holding_reason(batch)} With this budget it halts again at the next item that fails."
        return self.render_form(request, batch, form, lead, "Go on", title=f"Go on with {batch}?")

    def confirm(self, request: HttpRequest, batch: Batch, verb: str) -> HttpResponse:
        """On the page of an extension, if one has a page for it."""
        if verb == "retry" and (address := retry_address(batch, {"all_failed": True})):
            return redirect(address)
        page = confirmation(batch, verb)
        return self.render(request, "confirm.html", context_of(page), title=page.question)

    def adjust(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Change how it runs: lanes, rate, attempts, time limit, error budget."""
        batch = self.operated(request, batch_id)
        form = AdjustForm(batch, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                if changes := form.changes():
                    reason = form.cleaned_data["reason"]
                    operations.adjust(batch.pk, actor=request.user.get_username(), reason=reason, **changes)
                    messages.success(request, f"{batch}: changed. Its lanes follow within 30 s.")
                return redirect(batch)
            except BatchError as error:
                form.refuse(error)
        lead = "Also while it runs: each lane takes the new values at its next time slice, 30 s later at most."
        return self.render_form(request, batch, form, lead, "Change", title="How it runs")

    def run_again(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Ask, and make a new batch of the same rows."""
        batch = self.operated(request, batch_id)
        plan, form = operations.rerun_plan(batch_id), RunAgainForm(request.POST or None)
        if plan.refusal:
            messages.warning(request, plan.refusal)
            return redirect(batch)
        if request.method == "POST" and form.is_valid():
            try:
                again = form.run_again(batch, request.user)
                messages.success(
                    request, f"{again.pk} runs {batch.pk} again: {quantity(again.total_items, 'item')} stored."
                )
                return redirect(again)
            except BatchError as error:
                form.add_error(None, str(error))
        return self.render_form(request, batch, form, " ".join(plan.remarks), "Run again", title=f"Run {batch} again?")

    def decide(self, request: HttpRequest, batch_id: str, item: int) -> HttpResponse:
        """A person's word on a call of unknown outcome."""
        batch = self.operated(request, batch_id)
        row = get_object_or_404(Item, batch=batch, pk=item)
        form = DecideForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            outcome, reason = form.cleaned_data["outcome"], form.cleaned_data["reason"]
            try:
                operations.decide(batch.pk, row.key, outcome, actor=request.user.get_username(), reason=reason)
                messages.success(request, f"Item {row.key}: {outcome}.")
            except BatchError as error:
                messages.warning(request, str(error))
            return redirect(batch)
        lead = f"Item {row.key}: its worker was lost, or no answer came, while its call was out."
        lead += " Look at the receiver before you decide; to call again, retry it instead."
        return self.render_form(request, batch, form, lead, "Decide", title="Decide")

    def rehearse(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Ask a worker for a rehearsal; its page follows it."""
        batch = self.operated(request, batch_id)
        form = RehearseForm(request.POST or None, initial={"sample": 100})
        if request.method == "POST" and form.is_valid():
            sample, actor = form.cleaned_data["sample"], request.user.get_username()
            try:
                rehearsal = operations.rehearse(batch.pk, sample=sample, actor=actor)
                return redirect("admin:batches_batch_rehearsal", batch.pk, rehearsal.number)
            except BatchError as error:
                form.add_error(None, str(error))
        lead = "The items run for real, and every chunk is rolled back. You get the errors the run would have."
        return self.render_form(request, batch, form, lead, "Rehearse", title="Rehearse")

    # -- a new one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose the processor."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {"processors": processors.all_processors(), "broken_plugins": broken_plugins()}
        return self.render(request, "choose.html", context, title="New batch")

    def new_batch(self, request: HttpRequest, processor: str) -> HttpResponse:
        """The form of one processor: file, options and the processor's own parameters."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            chosen = processors.get(processor)
        except UnknownProcessor as error:
            raise Http404(str(error)) from None
        form = NewBatchForm(chosen, request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            batch = form.submit(request.user, leaving(request))
            if batch is not None:
                messages.success(request, form.success_message(batch))
                for note in batch.source.get("notes", ()):
                    messages.info(request, in_reader_zone(note, batch.created_at))
                return redirect(batch)
        return self.render(request, "new.html", {"form": form, "processor": chosen}, title=f"New batch: {chosen.name}")

    # -- drawing

    def render_form(
        self, request: HttpRequest, batch: Batch, form: Form, lead: str, button: str, *, title: str
    ) -> TemplateResponse:
        context = {"batch": batch, "form": form, "lead": lead, "button": button}
        return self.render(request, "form.html", context, title=title)

    def render(self, request: HttpRequest, template: str, context: dict[str, Any], *, title: str) -> TemplateResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, f"admin/batches/batch/{template}", whole)


def answers_about_budget(request: HttpRequest) -> bool:
    """Whether it comes from the form that asks for the budget, and not from a button that does not."""
    return request.method == "POST" and any(name in request.POST for name in operations.BUDGETS)


def meant_by(verb: str, request: HttpRequest) -> dict[str, Any]:
    """Which items the verb is about, for those that are about items."""
    if verb == "retry":
        return {"unexplained" if "unexplained" in request.POST else "all_failed": True}
    count = request.POST.get("count", "")
    return {"count": int(count)} if verb == "give_up" and count.isdecimal() and len(count) < 12 else {}
