"""The page "Mail to you"."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from batches import operations
from batches.admin.removal_views import RemovalViews
from batches.exceptions import BatchError
from batches.pages.context import context_of
from batches.pages.mail_page import MailForm, mail_page
from batches.wording import quantity


class MailViews(RemovalViews):
    """Who may see batches may have mail about them: each person his own."""

    def mail(self, request: HttpRequest) -> HttpResponse:
        """What this person watches; each button is a POST of one act."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = MailForm(request.user, request.POST if request.POST.get("act") == "when" else None)
        if request.method == "POST" and (not form.is_bound or form.is_valid()):
            try:
                messages.success(request, done(request, form))
            except BatchError as error:
                messages.warning(request, str(error))
            return redirect("admin:batches_mail")
        return self.render(request, "mail.html", context_of(mail_page(request.user, form)), title="Mail to you")


def done(request: HttpRequest, form: MailForm) -> str:
    """Do what the button says; returns what is so now. Raises what the operation refuses."""
    user: Any = request.user
    act, name = request.POST.get("act", ""), request.POST.get("name", "")
    about = name or "every batch"
    match act:
        case "when":
            return form.choose(user)
        case "watch":
            operations.watch_processor(name, user)
            return f"You watch {about}."
        case "unwatch":
            operations.unwatch_processor(name, user)
            return f"You watch {about} no longer."
        case "unwatch_batch":
            operations.unwatch(name, user)
            return f"You watch {name} no longer."
        case "stop":
            return f"No more mail: {quantity(operations.stop_all_mail(user), 'watch', 'watches')} ended."
    return "Nothing was done."
