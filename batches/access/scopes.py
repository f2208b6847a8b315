"""What a token lets its holder do: what its scope names, and never more than the account may at that moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.functional import LazyObject

from batches.models import AccessToken
from batches.rights import OPERATE, VIEW

Scope = AccessToken.Scope
SCOPES = (Scope.VIEWER, Scope.OPERATOR, Scope.ADMIN)
"""The weakest first."""
LOOKING = "view_"
OF_ADMINS = ("add_", "change_", "delete_")
"""Django's own permissions to write rows by hand; the acts of operators have names of their own."""


def role_of(user: Any) -> AccessToken.Scope | None:
    """The widest scope that the account, or the token it came by, has a use for; None where it may not even look."""
    if user.is_superuser:
        return Scope.ADMIN
    if user.has_perm(OPERATE):
        return Scope.OPERATOR
    return Scope.VIEWER if user.has_perm(VIEW) else None


def allows(scope: str, permission: str) -> bool:
    """Whether a scope comprises a permission, `app.codename`."""
    codename = permission.partition(".")[2]
    if scope == Scope.ADMIN:
        return True
    return codename.startswith(LOOKING) or (scope == Scope.OPERATOR and not codename.startswith(OF_ADMINS))


class ScopedUser(LazyObject):
    """An account that came by a token: itself in everything but what it may do."""

    def __init__(self, user: Any, token: AccessToken) -> None:
        super().__init__()
        self.__dict__["access_token"] = token
        self._wrapped = user

    def _setup(self) -> None:
        raise NotImplementedError("The account is given, not looked up.")

    @property
    def is_superuser(self) -> bool:
        return self.access_token.scope == Scope.ADMIN and bool(self._wrapped.is_superuser)

    @property
    def is_staff(self) -> bool:
        return self.access_token.scope == Scope.ADMIN and bool(getattr(self._wrapped, "is_staff", False))

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return allows(self.access_token.scope, permission) and bool(self._wrapped.has_perm(permission, obj))

    def has_perms(self, permissions: Iterable[str], obj: Any = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        return any(permission.startswith(f"{app_label}.") for permission in self.get_all_permissions())

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        return self.allowed(self._wrapped.get_all_permissions(obj))

    def get_user_permissions(self, obj: Any = None) -> set[str]:
        return self.allowed(self._wrapped.get_user_permissions(obj))

    def get_group_permissions(self, obj: Any = None) -> set[str]:
        return self.allowed(self._wrapped.get_group_permissions(obj))

    def allowed(self, permissions: Iterable[str]) -> set[str]:
        return {permission for permission in permissions if allows(self.access_token.scope, permission)}


def token_behind(user: Any) -> AccessToken | None:
    """The token by which a request came; None: by a session, or from no request."""
    return getattr(user, "access_token", None)


def processors_of(user: Any) -> list[str]:
    """The processors that the one who asks is limited to; none: not limited."""
    token = token_behind(user)
    return list(token.processors) if token else []
