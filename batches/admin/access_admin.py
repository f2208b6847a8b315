"""Tokens, each person's own and for admins all; and what sign-ins failed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from batches import operations
from batches.admin.access import AdminsOnly, ReadOnly
from batches.admin.long_lists import LongListAdmin
from batches.closed_lookups import ClosedLookups
from batches.exceptions import InvalidInput
from batches.models import AccessToken, FailedSignIn
from batches.pages.token_form import TokenForm
from batches.rights import VIEW
from batches.wording import quantity


@admin.register(AccessToken)
class TokenAdmin(ClosedLookups):
    """A key is shown once, when it is made. A token is never changed: it is revoked, and another one made."""

    form = TokenForm
    list_display = ("name", "shown_prefix", "user", "scope", "limited_to", "shown_state", "expires_at", "last_use")
    list_filter = ("scope",)
    search_fields = ("name", "prefix")
    list_select_related = ("user",)
    list_per_page = 100
    show_full_result_count = False
    actions = ("revoke",)
    shown = (
        *("name", "shown_prefix", "user", "scope", "limited_to", "shown_state", "survives_password_change"),
        *("created_at", "created_by", "expires_at", "last_used_at", "last_used_address"),
        *("revoked_at", "revoked_by", "revoked_reason"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessToken]:
        return operations.tokens_for(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(VIEW))  # type: ignore[union-attr]

    def has_view_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        return self.has_module_permission(request) and (obj is None or may_see(request.user, obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting leaves no record of who made and revoked it: admins may, as they delete accounts."""
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def get_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> Any:
        if obj is not None:
            return self.shown
        fields = TokenForm.Meta.fields
        return fields if request.user.is_superuser else fields[1:]  # type: ignore[union-attr]

    def get_readonly_fields(self, request: HttpRequest, obj: AccessToken | None = None) -> Any:
        return self.shown if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **{**kwargs, "form": ModelForm})
        return type("TokenForm", (TokenForm,), {"maker": request.user})

    def save_model(self, request: HttpRequest, obj: AccessToken, form: Any, change: bool) -> None:
        new = operations.create_token(form.request(), by=request.user)
        obj.pk, obj._state.adding = new.token.pk, False
        obj.refresh_from_db()
        messages.warning(request, f"The token {obj.name}, shown this once: {new.key}")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Of two requests for one name at the same moment the second is refused in words."""
        try:
            return super().add_view(request, form_url, extra_context)
        except InvalidInput as error:
            messages.error(request, str(error))
            return redirect("admin:batches_accesstoken_changelist")

    @admin.display(description="Token", ordering="prefix")
    def shown_prefix(self, token: AccessToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description="Processors")
    def limited_to(self, token: AccessToken) -> str:
        return ", ".join(token.processors) or "all"

    @admin.display(description="State")
    def shown_state(self, token: AccessToken) -> str:
        return token.state.capitalize()

    @admin.display(description="Last used", ordering="last_used_at")
    def last_use(self, token: AccessToken) -> Any:
        return token.last_used_at

    @admin.action(description="Revoke", permissions=["view"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[AccessToken]) -> None:
        revoked = 0
        for token in tokens:
            if operations.revoke_token(token, actor=request.user.get_username()):
                self.log_change(request, token, "Revoked.")
                revoked += 1
        messages.success(request, f"{quantity(revoked, 'token opens', 'tokens open')} nothing any more.")


def may_see(user: Any, token: AccessToken) -> bool:
    return bool(user.is_superuser) or token.user_id == user.pk


@admin.register(FailedSignIn)
class FailedSignInAdmin(AdminsOnly, LongListAdmin):
    """Passwords and tokens that were refused, and where they came from."""

    list_display = ("at", "shown_name", "door", "address", "locked")
    list_filter = ("door", "locked")
    search_fields = ("=name", "=address")
    date_hierarchy = "at"
    list_per_page = 100

    has_add_permission = ReadOnly.has_add_permission
    has_change_permission = ReadOnly.has_change_permission
    has_delete_permission = ReadOnly.has_delete_permission

    @admin.display(description="Account or token", ordering="name")
    def shown_name(self, failure: FailedSignIn) -> str:
        return failure.name or "no such one"
