"""The operators' pages, inside Django's admin: batches and their items. Every act calls `batches.operations`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from batches import operations, processors
from batches.exceptions import BatchError, UnknownProcessor
from batches.extensions import registered, retry_address
from batches.lifecycle import deliveries
from batches.models import Batch, Delivery, Item, Webhook
from batches.pages import batch_page
from batches.pages.forms import AdjustForm, DecideForm, RehearseForm, WebhookForm
from batches.pages.item_page import item_page
from batches.pages.map_page import items_title
from batches.pages.new_batch_form import NewBatchForm
from batches.redaction import redact
from batches.rights import OPERATE

SAID = {
    "start": "{batch} is queued: a worker picks it up now.",
    "pause": "Pausing {batch}: the worker finishes the chunk in its hands, nothing after it.",
    "resume": "{batch} goes on where it stopped.",
    "cancel": "Cancelling {batch}: what is done stays done, the rest stays untouched.",
    "retry": "{batch}: {items} failed items are tried again.",
}
CONFIRMED = ("cancel", "retry")


def act(verb: str, batch_id: str, request: HttpRequest, **scope: Any) -> str:
    """Call the verb's operation; the sentence that says what happens now."""
    if not request.user.has_perm(OPERATE):  # type: ignore[union-attr]
        raise PermissionDenied
    actor, reason = request.user.get_username(), request.POST.get("reason", "").strip()[:2_000]
    made = getattr(operations, verb)(batch_id, actor=actor, reason=reason, **scope)
    return SAID[verb].format(batch=batch_id, items=f"{getattr(made, 'items', 0):,}" if verb == "retry" else "")


class ReadOnly(admin.ModelAdmin):
    """Rows that only the engine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin):
    """The batch list, the batch page, and the form of a new batch."""

    search_fields = ("id", "name")
    list_filter = (batch_page.AttentionFilter, "status", "processor", "created_at")
    list_per_page = 50
    list_display = ("id",)
    show_full_result_count = False
    actions = ("pause_selected", "resume_selected", "cancel_selected", "retry_selected")
    change_list_template = "admin/batches/batch/list.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and (obj is None or obj.status not in Batch.ACTIVE)  # type: ignore[union-attr]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("add/<str:processor>/", wrap(self.new_batch), name="batches_batch_new"),
            path("<path:batch_id>/act/<str:verb>/", wrap(self.act_on_one), name="batches_batch_act"),
            path("<path:batch_id>/watch/", wrap(self.watch), name="batches_batch_watch"),
            path("<path:batch_id>/adjust/", wrap(self.adjust), name="batches_batch_adjust"),
            path("<path:batch_id>/decide/<int:item>/", wrap(self.decide), name="batches_batch_decide"),
            path("<path:batch_id>/rehearse/", wrap(self.rehearse), name="batches_batch_rehearse"),
            path("<path:batch_id>/rehearsal/<int:number>/", wrap(self.rehearsal), name="batches_batch_rehearsal"),
            *super().get_urls(),
        ]

    # -- the list

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, {"title": "Batches", **(extra_context or {})})
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            listed = list(response.context_data["cl"].result_list)
            response.context_data |= batch_page.list_context(listed, request)
        return response

    def _selected(self, verb: str, request: HttpRequest, batches: QuerySet[Batch], **scope: Any) -> None:
        for batch in batches:
            try:
                self.message_user(request, act(verb, batch.pk, request, **scope), messages.SUCCESS)
            except BatchError as error:
                self.message_user(request, str(error), messages.WARNING)

    @admin.action(description="Pause", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        self._selected("pause", request, batches)

    @admin.action(description="Resume", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        self._selected("resume", request, batches)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        self._selected("cancel", request, batches)

    @admin.action(description="Retry all failed items", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        self._selected("retry", request, batches, all_failed=True)

    # -- one batch

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        batch = self.get_object(request, object_id)
        if batch is None:
            raise Http404(f"There is no batch {object_id}.")
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        return self.render(request, "batch.html", batch_page.batch_context(batch, request), title=str(batch))

    def act_on_one(self, request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
        """POST acts; GET asks for confirmation where an act is on many items."""
        batch = self.get_object(request, batch_id)
        if batch is None or verb not in SAID:
            raise Http404
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            if verb not in CONFIRMED or verb not in operations.legal_verbs(batch):
                return redirect(batch)
            if verb == "retry" and (address := retry_address(batch, {"all_failed": True})):
                return redirect(address)
            context = batch_page.confirmation_context(batch, verb)
            return self.render(request, "confirm.html", context, title=context["question"])
        try:
            scope: dict[str, Any] = {"all_failed": True} if verb == "retry" else {}
            self.message_user(request, act(verb, batch_id, request, **scope), messages.SUCCESS)
        except BatchError as error:
            self.message_user(request, str(error), messages.WARNING)
        return redirect(batch)

    def operated(self, request: HttpRequest, batch_id: str) -> Batch:
        """The batch, for a person who may act on it."""
        batch = self.get_object(request, batch_id)
        if batch is None:
            raise Http404
        if not self.has_operate_permission(request):
            raise PermissionDenied
        return batch

    @method_decorator(require_POST)
    def watch(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Begin or end to mail this person about the batch."""
        batch = self.get_object(request, batch_id)
        if batch is None:
            raise Http404
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        try:
            if request.POST.get("watch") == "0":
                operations.unwatch(batch_id, request.user)  # type: ignore[arg-type]
                self.message_user(request, f"No more mail about {batch}.", messages.SUCCESS)
            else:
                operations.watch(batch_id, request.user)  # type: ignore[arg-type]
                said = f"Mail to {request.user.email}: milestones of {batch}, and its end."  # type: ignore[union-attr]
                self.message_user(request, said, messages.SUCCESS)
        except BatchError as error:
            self.message_user(request, str(error), messages.WARNING)
        return redirect(batch)

    def adjust(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Change how it runs: lanes, rate, attempts, time limit, error budget."""
        batch = self.operated(request, batch_id)
        now = {name: getattr(batch, name) for name in operations.ADJUSTABLE}
        form = AdjustForm(request.POST or None, initial=now)
        if request.method == "POST" and form.is_valid():
            try:
                if changes := form.changes():
                    reason = form.cleaned_data["reason"]
                    operations.adjust(batch.pk, actor=request.user.get_username(), reason=reason, **changes)
                    self.message_user(request, f"{batch}: changed. Its lanes follow within 30 s.", messages.SUCCESS)
                return redirect(batch)
            except BatchError as error:
                form.refuse(error)
        lead = "Also while it runs: each lane takes the new values at its next time slice, 30 s later at most."
        context = {"batch": batch, "form": form, "lead": lead, "button": "Change"}
        return self.render(request, "form.html", context, title="How it runs")

    def decide(self, request: HttpRequest, batch_id: str, item: int) -> HttpResponse:
        """A person's word on a call of unknown outcome."""
        batch = self.operated(request, batch_id)
        row = get_object_or_404(Item, batch=batch, pk=item)
        form = DecideForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            outcome, reason = form.cleaned_data["outcome"], form.cleaned_data["reason"]
            try:
                operations.decide(batch.pk, row.key, outcome, actor=request.user.get_username(), reason=reason)
                self.message_user(request, f"Item {row.key}: {outcome}.", messages.SUCCESS)
            except BatchError as error:
                self.message_user(request, str(error), messages.WARNING)
            return redirect(batch)
        lead = f"Item {row.key}: its worker was lost, or no answer came, while its call was out."
        lead += " Look at the receiver before you decide; to call again, retry it instead."
        context = {"batch": batch, "form": form, "lead": lead, "button": "Decide"}
        return self.render(request, "form.html", context, title="Decide")

    def rehearse(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Ask a worker for a rehearsal; its page follows it."""
        batch = self.operated(request, batch_id)
        form = RehearseForm(request.POST or None, initial={"sample": 100})
        if request.method == "POST" and form.is_valid():
            actor = request.user.get_username()
            try:
                made = operations.rehearse(batch.pk, sample=form.cleaned_data["sample"], actor=actor)
                return redirect("admin:batches_batch_rehearsal", batch.pk, made.number)
            except BatchError as error:
                form.add_error(None, str(error))
        lead = "The items run for real, and every chunk is rolled back. You get the errors the run would have."
        context = {"batch": batch, "form": form, "lead": lead, "button": "Rehearse"}
        return self.render(request, "form.html", context, title="Rehearse")

    def rehearsal(self, request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
        batch = self.get_object(request, batch_id)
        if batch is None:
            raise Http404
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        try:
            found = operations.get_rehearsal(batch_id, number).to_dict()
        except BatchError as error:
            raise Http404(str(error)) from None
        context = {"batch": batch, "found": found, "retry_url": retry_address(batch, found["scope"])}
        return self.render(request, "rehearsal.html", context, title=f"Rehearsal of {batch}")

    # -- a new one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.render(request, "choose.html", {"processors": processors.all_processors()}, title="New batch")

    def new_batch(self, request: HttpRequest, processor: str) -> HttpResponse:
        """The form of one processor: file, options and the processor's own parameters."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            found = processors.get(processor)
        except UnknownProcessor as error:
            raise Http404(str(error)) from None
        form = NewBatchForm(found, request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            batch = form.submit(request.user)
            if batch is not None:
                self.message_user(request, form.success_message(batch), messages.SUCCESS)
                return redirect(batch)
        return self.render(request, "new.html", {"form": form, "processor": found}, title=f"New batch: {found.name}")

    def render(self, request: HttpRequest, template: str, context: dict[str, Any], *, title: str) -> TemplateResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, f"admin/batches/batch/{template}", whole)


class CodeFilter(admin.SimpleListFilter):
    """By error code: those that failed items of the batch have now, found by the index of failed items."""

    title = "code"
    parameter_name = "code"
    LOOKED_AT = 2_000
    """So many failed items are looked at for codes to offer; any other can be asked for by its name."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        failed = Item.objects.filter(failed_at__isnull=False)
        if batch := request.GET.get("batch__id__exact"):
            failed = failed.filter(batch=batch.replace("\x00", ""))
        codes = set(failed.order_by("batch_id", "position").values_list("code", flat=True)[: self.LOOKED_AT])
        codes |= {chosen} if (chosen := self.value()) else set()
        return [(code, code) for code in sorted(codes)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        return queryset.filter(code=self.value()) if self.value() else queryset


MOST_SELECTED = 10_000


def refused_selection(batches: int) -> str:
    """Why the selected items cannot be retried together."""
    if not batches:
        return "None of the selected items is failed: there is nothing to retry."
    if batches > 1:
        return "They are of different batches: retry those of one batch at a time."
    return f"More than {MOST_SELECTED:,} items: retry all that failed, from the batch's page."


@admin.register(Item)
class ItemAdmin(ReadOnly):
    """A batch's items, filtered by the number that was clicked."""

    list_display = ("position", "key", "batch", "shown_status", "attempts", "code", "shown_message", "finished_at")
    list_display_links = ("key",)
    list_filter = ("status", CodeFilter)
    search_fields = ("=key",)
    ordering = ("batch", "position")
    list_select_related = ("batch",)
    list_per_page = 100
    show_full_result_count = False
    actions = ("retry_selected",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": items_title(request.GET), **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in (
            "batch__id__exact",
            "failed_at__isnull",
            "position__gte",
            "position__lte",
        ) or super().lookup_allowed(
            lookup,
            value,
            request,  # type: ignore[arg-type]
        )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]

    @admin.action(description="Retry…", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, items: QuerySet[Item]) -> HttpResponse | None:
        """To the page that says what a retry of these failed items of one batch would do; without one, retry them."""
        failed = items.filter(failed_at__isnull=False).order_by("pk").values_list("batch", "pk")
        chosen = list(failed[: MOST_SELECTED + 1])
        batches = {batch for batch, _ in chosen}
        if len(batches) != 1 or len(chosen) > MOST_SELECTED:
            self.message_user(request, refused_selection(len(batches)), messages.WARNING)
            return None
        batch, item_ids = Batch.objects.get(pk=batches.pop()), [pk for _, pk in chosen]
        for extension in registered():
            if extension.confirm_retry is not None:
                return extension.confirm_retry(request, batch, item_ids)
        keys = list(Item.objects.filter(pk__in=item_ids).values_list("key", flat=True))
        try:
            self.message_user(request, act("retry", batch.pk, request, item_keys=keys), messages.SUCCESS)
        except BatchError as error:
            self.message_user(request, str(error), messages.WARNING)
        return None

    @admin.display(description="Status", ordering="status")
    def shown_status(self, item: Item) -> str:
        return batch_page.pill(item.status, item.get_status_display())

    @admin.display(description="Message")
    def shown_message(self, item: Item) -> str:
        return item.message if len(item.message) <= 120 else f"{item.message[:120]}…"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        item = self.get_object(request, object_id)
        if item is None:
            raise Http404(f"There is no item {object_id}.")
        if not self.has_view_permission(request, item):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Item {item.key}"}
        return TemplateResponse(request, "admin/batches/item/item.html", context | item_page(item, request))


class AdminsOnly(admin.ModelAdmin):
    """Settings: for those who may also manage users."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)


@admin.register(Webhook)
class WebhookAdmin(AdminsOnly):
    """Other systems that are told about batches. A secret is shown once, when it is made."""

    form = WebhookForm
    list_display = ("url", "active", "created_at")
    actions = ("send_test", "new_secret")

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        if not obj.secret:
            obj.secret = deliveries.new_secret()
            self.show(request, obj)
        super().save_model(request, obj, form, change)

    def show(self, request: HttpRequest, hook: Webhook) -> None:
        said = f"The signing secret of {hook.url}, shown this once: {hook.secret}"
        self.message_user(request, said, messages.WARNING)

    @admin.action(description="Send a test message")
    def send_test(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        sent = 0
        for hook in hooks:
            sent += deliveries.send_test(hook)
            self.log_change(request, hook, "Sent a test message.")
        self.message_user(request, f"{sent} test messages are on their way: see Deliveries.", messages.SUCCESS)

    @admin.action(description="Make a new signing secret")
    def new_secret(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        for hook in hooks:
            hook.secret = deliveries.new_secret()
            with transaction.atomic():
                hook.save(update_fields=["secret"])
                self.log_change(request, hook, "Made a new signing secret.")
            self.show(request, hook)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """The delivery log: what was sent to whom, how often, and what was answered."""

    list_display = ("created_at", "event", "batch", "receiver", "state", "attempts", "shown_answer")
    list_filter = ("event", "webhook")
    search_fields = ("=batch__id",)
    list_select_related = ("batch", "webhook", "user")
    show_full_result_count = False
    list_per_page = 100
    actions = ("send_again",)
    fields = ("event", "batch", "receiver", "state", "attempts", "due_at", "delivered_at", "shown_data", "answer")
    readonly_fields = fields

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]

    @admin.display(description="To")
    def receiver(self, row: Delivery) -> str:
        return str(row.webhook or row.user or "–")

    @admin.display(description="State")
    def state(self, row: Delivery) -> str:
        if row.delivered_at:
            return "Delivered"
        return "Given up" if row.due_at is None else "Waiting for its next attempt" if row.attempts else "Waiting"

    @admin.display(description="Answer")
    def shown_answer(self, row: Delivery) -> str:
        return row.answer if len(row.answer) <= 120 else f"{row.answer[:120]}…"

    @admin.display(description="Message")
    def shown_data(self, row: Delivery) -> str:
        return batch_page.pretty(redact(row.data))

    @admin.action(description="Send again", permissions=["operate"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        for row in rows:
            operations.resend(row, actor=request.user.get_username())
        self.message_user(request, f"{len(rows)} deliveries are sent again.", messages.SUCCESS)
