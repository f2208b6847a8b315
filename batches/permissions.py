"""Who may look and who may act, in one place for every REST route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

VIEW = "batches.view_batch"
OPERATE = "batches.operate_batch"


class PortalSessionAuthentication(SessionAuthentication):
    """The session cookie, with CSRF; who is not signed in gets 401 rather than 403."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class MayView(BasePermission):
    """Reads need the right to view batches; every other method the right to operate them."""

    message = "Your account has no right to do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not isinstance(user, AbstractBaseUser) or not user.is_authenticated:
            return False
        needed = VIEW if request.method in SAFE_METHODS else OPERATE
        return bool(user.has_perm(needed))  # type: ignore[attr-defined]
