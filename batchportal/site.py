"""Django's admin under the portal's name, with lists that answer no question but their own."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from batches.closed_lookups import ClosedLookups
from batchportal.account_names import RecognisableName
from batchportal.sign_in_guard import refusal_of


class SignInForm(AdminAuthenticationForm):
    """Says so when a sign-in was refused unread."""

    def get_invalid_login_error(self) -> ValidationError:
        refusal = refusal_of(self.request) if self.request else None
        return ValidationError(str(refusal)) if refusal else super().get_invalid_login_error()


class AccountPages(ModelAdmin):
    """The forms by which accounts are made and named."""

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        form = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (RecognisableName, form), {})


class PortalAdminSite(AdminSite):
    site_header = "batchportal"
    site_title = "batchportal"
    index_title = "Operations"
    site_url = None
    """No "View site": the admin is the site."""
    enable_nav_sidebar = False
    login_form = SignInForm

    def register(
        self, model_or_iterable: Any, admin_class: type[ModelAdmin[Any]] | None = None, **options: Any
    ) -> None:
        """Pages of other apps get closed lookups as well: accounts, groups, tokens, and what a project adds."""
        pages = admin_class or ModelAdmin
        models = model_or_iterable if isinstance(model_or_iterable, (list, tuple)) else (model_or_iterable,)
        if get_user_model() in models:
            pages = type(pages.__name__, (AccountPages, pages), {"__module__": pages.__module__})
        if not issubclass(pages, ClosedLookups):
            pages = type(pages.__name__, (ClosedLookups, pages), {"__module__": pages.__module__})
        super().register(model_or_iterable, pages, **options)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """429, and when to try again, where too many sign-ins have failed."""
        answer = super().login(request, extra_context)
        if refusal := refusal_of(request):
            answer.status_code = 429
            answer.headers["Retry-After"] = str(refusal.wait)
        return answer

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """`is_portal`: the theme is on every page, so the portal's own need not bring it."""
        return super().each_context(request) | {"is_portal": True}
