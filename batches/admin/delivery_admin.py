"""Who is told about batches, and the log of what was sent to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator

from batches import operations
from batches.admin.access import AdminsOnly, OperatedAdmin
from batches.admin.long_lists import LongListAdmin
from batches.lifecycle import deliveries, signing_secrets
from batches.models import Delivery, Webhook
from batches.pages.forms import WebhookForm
from batches.pages.markup import pretty
from batches.redaction import redact


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
        messages.warning(request, f"The signing secret of {hook.url}, shown this once: {hook.secret}")

    @admin.action(description="Send a test message", permissions=["change"])
    def send_test(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        sent = 0
        for hook in hooks:
            sent += deliveries.send_test(hook)
            self.log_change(request, hook, "Sent a test message.")
        messages.success(request, f"{sent} test messages are on their way: see Deliveries.")

    @admin.action(description="Make a new signing secret", permissions=["change"])
    def new_secret(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        for hook in hooks:
            with transaction.atomic():
                signing_secrets.renew(hook)
                self.log_change(request, hook, "Made a new signing secret.")
            self.show(request, hook)
            messages.info(request, "Until this time tomorrow messages are signed with the previous one as well.")


@admin.register(Delivery)
class DeliveryAdmin(OperatedAdmin, LongListAdmin):
    """The delivery log: what was sent to whom, how often, and what was answered."""

    list_display = ("created_at", "event", "batch", "receiver", "state", "attempts", "shown_answer")
    list_filter = ("event", "webhook")
    search_fields = ("=batch__id",)
    list_select_related = ("batch", "webhook", "user")
    list_per_page = 100
    actions = ("send_again",)
    fields = ("event", "batch", "receiver", "state", "attempts", "due_at", "delivered_at", "shown_data", "answer")
    readonly_fields = fields

    @admin.display(description="To")
    def receiver(self, row: Delivery) -> str:
        return str(row.webhook or row.user or "–")

    @admin.display(description="State")
    def state(self, row: Delivery) -> str:
        if row.delivered_at:
            return "Delivered"
        if row.held:
            return "Waiting for the digest"
        return "Given up" if row.due_at is None else "Waiting for its next attempt" if row.attempts else "Waiting"

    @admin.display(description="Answer")
    def shown_answer(self, row: Delivery) -> str:
        return Truncator(row.answer).chars(121)

    @admin.display(description="Message")
    def shown_data(self, row: Delivery) -> str:
        return pretty(redact(row.data))

    @admin.action(description="Send again", permissions=["operate"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        for row in rows:
            operations.resend(row, actor=request.user.get_username())
        messages.success(request, f"{len(rows)} deliveries are sent again.")
