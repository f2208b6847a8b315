"""Who may do what in the admin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from batches.closed_lookups import ClosedLookups
from batches.rights import OPERATE


class OperatedAdmin(ClosedLookups):
    """Rows upon which operators act: an action with the permission "operate" is theirs."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(OPERATE))  # type: ignore[union-attr]


class ReadOnly(ClosedLookups):
    """Rows that only the engine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AdminsOnly(ClosedLookups):
    """Settings: for those who may also manage users."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)  # type: ignore[union-attr]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)
