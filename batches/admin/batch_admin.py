"""The batch list, and the addresses of a batch's pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from batches.admin.acts import act
from batches.admin.mail_views import MailViews
from batches.models import Batch
from batches.pages.batch_list import AttentionFilter, batch_list_page, whole_tab
from batches.pages.context import context_of
from batches.rights import OPERATE


@admin.register(Batch)
class BatchAdmin(MailViews):
    search_fields = ("id", "name")
    list_filter = (AttentionFilter, "status", "processor", "created_at")
    list_per_page = 50
    list_display = ("id",)
    show_full_result_count = False
    actions = (
        "pause_selected",
        "resume_selected",
        "cancel_selected",
        "retry_selected",
        "archive_selected",
        "delete_selected",
    )
    change_list_template = "admin/batches/batch/list.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("zone/", wrap(self.zone), name="batches_zone"),
            path("mail/", wrap(self.mail), name="batches_mail"),
            path("add/<str:processor>/", wrap(self.new_batch), name="batches_batch_new"),
            path("<path:batch_id>/act/<str:verb>/", wrap(self.act_on_batch), name="batches_batch_act"),
            path("<path:batch_id>/watch/", wrap(self.watch), name="batches_batch_watch"),
            path("<path:batch_id>/adjust/", wrap(self.adjust), name="batches_batch_adjust"),
            path("<path:batch_id>/again/", wrap(self.run_again), name="batches_batch_again"),
            path("<path:batch_id>/archive/", wrap(self.archive_view), name="batches_batch_archive"),
            path("<path:batch_id>/decide/<int:item>/", wrap(self.decide), name="batches_batch_decide"),
            path("<path:batch_id>/rehearse/", wrap(self.rehearse), name="batches_batch_rehearse"),
            path("<path:batch_id>/rehearsal/<int:number>/", wrap(self.rehearsal), name="batches_batch_rehearsal"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, {"title": "Batches", **(extra_context or {})})
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            batches = list(response.context_data["cl"].result_list)
            page = batch_list_page(batches, request, has_actions=bool(response.context_data["action_form"]))
            response.context_data |= context_of(page)
        return response

    def get_paginator(self, request: HttpRequest, *arguments: Any, **options: Any) -> Paginator[Batch]:
        """A whole tab has been counted beside the others."""
        paginator: Paginator[Batch] = super().get_paginator(request, *arguments, **options)
        if (count := whole_tab(request)) is not None:
            paginator.count = count
        return paginator

    @admin.action(description="Pause", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        act_on_each("pause", request, batches)

    @admin.action(description="Resume", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        act_on_each("resume", request, batches)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        act_on_each("cancel", request, batches)

    @admin.action(description="Retry all failed items", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        act_on_each("retry", request, batches, all_failed=True)


def act_on_each(verb: str, request: HttpRequest, batches: QuerySet[Batch], **scope: Any) -> None:
    for batch in batches:
        act(verb, batch.pk, request, **scope)
