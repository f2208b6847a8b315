"""Who may do what over REST: one class a right, and the session that says 401 to strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from batches.rights import OPERATE, VIEW

if TYPE_CHECKING:  # importing it here would be a circle: its settings name this module
    from rest_framework.views import APIView


class PortalSessionAuthentication(SessionAuthentication):
    """The session cookie, CSRF enforced; no cookie counts beside an Authorization header."""

    def authenticate(self, request: Request) -> Any:
        return None if "Authorization" in request.headers else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        """The scheme that a stranger is asked for; without one DRF would answer 403 instead of 401."""
        return "Token"


class MayView(BasePermission):
    """Reading needs the right to view batches; everything else the right to act."""

    act = OPERATE
    message = "Your account has no right to do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.has_perm(VIEW if request.method in SAFE_METHODS else self.act))


class MayWatch(MayView):
    """Who may see batches may have mail about them."""

    act = VIEW
