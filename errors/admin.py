"""The triage desk inside the admin: pages that look things up in `errors.desk`, and doors to the operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from batches.admin import ReadOnly
from batches.exceptions import BatchError
from batches.models import Batch
from batches.rights import OPERATE, TRIAGE, VIEW
from errors import advice_desk, desk, groups, plans, recommendations, scopes
from errors.models import BatchGroup, ErrorGroup, ErrorRecord


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnly):
    """Groups as a list, and the desk."""

    list_display = ("title", "category", "code", "processor", "first_seen", "last_seen")
    list_filter = ("state", "category", "processor")
    search_fields = ("title", "fingerprint")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("desk/", wrap(self.overview), name="errors_overview"),
            path("desk/<str:batch_id>/", wrap(self.desk), name="errors_desk"),
            path("desk/<str:batch_id>/advice/<int:number>/", wrap(self.advice), name="errors_advice"),
            path("desk/<str:batch_id>/advice/<int:number>/dismiss/", wrap(self.dismiss), name="errors_advice_dismiss"),
            path("desk/<str:batch_id>/plan/", wrap(self.plan), name="errors_plan"),
            path("desk/<str:batch_id>/plan/<int:number>/", wrap(self.step), name="errors_step"),
            path("desk/<str:batch_id>/group/<str:fingerprint>/", wrap(self.group), name="errors_group"),
            path("desk/<str:batch_id>/group/<str:fingerprint>/<str:verb>/", wrap(self.act), name="errors_group_act"),
            *super().get_urls(),
        ]

    def overview(self, request: HttpRequest) -> HttpResponse:
        """What needs attention now, over all batches."""
        self.must_view(request)
        return self.render(request, "overview.html", desk.overview(), title="Triage")

    def desk(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """One batch's desk."""
        batch = self.batch(request, batch_id)
        context = desk.desk_of(batch, desk.GroupFilter.of(request.GET)) | advice_desk.said_about(batch)
        return self.render(request, "desk.html", context, title=f"Triage: {batch}")

    def group(self, request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
        """One group within one batch."""
        batch = self.batch(request, batch_id)
        rollup = get_object_or_404(BatchGroup, batch=batch, group=scopes.group_in(batch, fingerprint))
        after = request.GET.get("after", "0")
        context = desk.group_page(batch, rollup.group, int(after) if after.isdecimal() and len(after) < 19 else 0)
        context["buttons"] = advice_desk.buttons(rollup.group)
        return self.render(request, "group.html", context, title=rollup.group.title or rollup.group.error_type)

    # -- acts

    def advice(self, request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
        """GET says exactly what will happen; POST does it."""
        batch = self.actor(request, batch_id)
        found = self.known(lambda: recommendations.get(batch_id, number))
        if request.method != "POST":
            shown = advice_desk.confirmation(batch, recommendations.as_dict(found, {}))
            return self.render(request, "confirm.html", {"batch": batch, **shown}, title=shown["question"])
        return self.done(
            request,
            batch,
            lambda **who: recommendations.apply(batch_id, number, **who),
            f"Applied: {found.title}",
        )

    def dismiss(self, request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
        """It comes back only if its evidence doubles."""
        batch = self.actor(request, batch_id)
        found = self.known(lambda: recommendations.get(batch_id, number))
        if request.method != "POST":
            return redirect("admin:errors_desk", batch_id)
        return self.done(
            request,
            batch,
            lambda **who: recommendations.dismiss(batch_id, number, **who),
            f"Dismissed: {found.title}",
        )

    def plan(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """Work the recovery plan out anew; nothing is done to any item."""
        batch = self.actor(request, batch_id)
        if request.method == "POST":
            plans.make(batch.pk, actor=request.user.get_username())
        return redirect(f"{reverse('admin:errors_desk', args=[batch_id])}#plan")

    def step(self, request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
        """One step of the plan: what it will do, then do it."""
        batch = self.actor(request, batch_id)
        found = next((step for step in plans.steps_of(batch_id) if step["step"] == number), None)
        if found is None:
            raise Http404
        if request.method != "POST":
            shown = advice_desk.confirmation(batch, found)
            return self.render(request, "confirm.html", {"batch": batch, **shown}, title=shown["question"])
        return self.done(
            request,
            batch,
            lambda **who: plans.apply(batch_id, number, **who),
            f"Step {number} is applied: {found['title']}",
        )

    def act(self, request: HttpRequest, batch_id: str, fingerprint: str, verb: str) -> HttpResponse:
        """One of the verbs upon a group."""
        batch = self.batch(request, batch_id)
        if not request.user.has_perm(TRIAGE):  # type: ignore[union-attr]
            raise PermissionDenied
        rollup = get_object_or_404(BatchGroup, batch=batch, group=scopes.group_in(batch, fingerprint))
        if verb not in (*advice_desk.LEGAL, "assign", "note"):
            raise Http404
        if request.method == "POST":
            try:
                self.act_on(request, rollup.group_id, verb)
            except BatchError as error:
                self.message_user(request, str(error), messages.WARNING)
        return redirect("admin:errors_group", batch_id, rollup.group.fingerprint)

    def act_on(self, request: HttpRequest, group_id: int, verb: str) -> None:
        actor, reason = request.user.get_username(), request.POST.get("reason", "").strip()[:2_000]
        if verb == "assign":
            whom = None if request.POST.get("nobody") else request.user
            groups.assign(group_id, whom, actor=actor, reason=reason)  # type: ignore[arg-type]
        elif verb == "note":
            groups.note(group_id, reason, actor=actor)
        else:
            getattr(groups, verb)(group_id, actor=actor, reason=reason)

    def done(self, request: HttpRequest, batch: Batch, act: Callable[..., Any], said: str) -> HttpResponse:
        """Do it, say what came of it, and go back to the desk."""
        try:
            act(actor=request.user.get_username(), reason=request.POST.get("reason", "").strip()[:2_000])
            self.message_user(request, said, messages.SUCCESS)
        except BatchError as error:
            self.message_user(request, str(error), messages.WARNING)
        return redirect("admin:errors_desk", batch.pk)

    def actor(self, request: HttpRequest, batch_id: str) -> Batch:
        """The batch, for a person who may triage and operate."""
        batch = self.batch(request, batch_id)
        if not request.user.has_perms((TRIAGE, OPERATE)):  # type: ignore[union-attr]
            raise PermissionDenied
        return batch

    def known(self, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except BatchError as error:
            raise Http404(str(error)) from None

    def must_view(self, request: HttpRequest) -> None:
        if not request.user.has_perm(VIEW):  # type: ignore[union-attr]
            raise PermissionDenied

    def batch(self, request: HttpRequest, batch_id: str) -> Batch:
        self.must_view(request)
        batch = Batch.objects.filter(pk=batch_id).first() if "\x00" not in batch_id else None
        if batch is None:
            raise Http404(f"There is no batch {batch_id}.")
        return batch

    def render(self, request: HttpRequest, template: str, context: dict[str, Any], *, title: str) -> TemplateResponse:
        may = {
            "may_operate": request.user.has_perm(OPERATE),  # type: ignore[union-attr]
            "may_triage": request.user.has_perm(TRIAGE),  # type: ignore[union-attr]
        }
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **may, **context}
        return TemplateResponse(request, f"admin/errors/{template}", whole)


@admin.register(ErrorRecord)
class ErrorRecordAdmin(ReadOnly):
    list_display = ("item_key", "batch", "attempt", "code", "category", "message", "finished_at")
    list_filter = ("category", "code", "final")
    search_fields = ("=item_key",)
    list_select_related = ("batch", "group")
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in ("batch__id__exact", "group__fingerprint") or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
