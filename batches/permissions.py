"""Who may do what over REST: one class a right, and the session that says 401 to strangers."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

VIEW, OPERATE, TRIAGE = "batches.view_batch", "batches.operate_batch", "errors.triage_error"


class PortalSessionAuthentication(SessionAuthentication):
    """The session cookie, CSRF enforced; no cookie counts beside an Authorization header."""

    def authenticate(self, request: Request) -> Any:
        return None if "Authorization" in request.headers else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        """What a stranger is asked for; without one DRF would answer 403 instead of 401."""
        return "Token"


class MayView(BasePermission):
    """Whoever may see batches."""

    message = "You need the right to view batches."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(request.user and request.user.has_perm(VIEW))


class MayOperate(MayView):
    """Reading needs the right to view; everything else the right to operate."""

    act, refusal = OPERATE, "You need the right to operate batches."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return super().has_permission(request, view)
        self.message = self.refusal
        return bool(request.user and request.user.has_perm(self.act))


class MayTriage(MayOperate):
    """Reading needs the right to view; everything else the right to triage."""

    act, refusal = TRIAGE, "You need the right to triage errors."
