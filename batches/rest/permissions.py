"""Who asks over REST, and who may do what: by session, which says 401 to strangers, or by token; one class a right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.authentication import TokenAuthentication as TokenHeader
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from batches.access import tokens
from batches.access.addresses import address_of
from batches.access.scopes import ScopedUser, processors_of
from batches.exceptions import UnknownBatch, WrongToken
from batches.models import AccessToken, Batch, FailedSignIn
from batches.rights import DELETE, OPERATE, PAUSE_EVERYTHING, VIEW

if TYPE_CHECKING:  # importing it here would be a circle: its settings name this module
    from rest_framework.views import APIView


class PortalSessionAuthentication(SessionAuthentication):
    """The session cookie, CSRF enforced; no cookie counts beside an Authorization header."""

    def authenticate(self, request: Request) -> Any:
        return None if "Authorization" in request.headers else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        """The scheme that a stranger is asked for; without one DRF would answer 403 instead of 401."""
        return "Token"


class TokenAuthentication(TokenHeader):
    """`Authorization: Token …`; the account may do no more than its token names."""

    address = ""

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        self.address = address_of(request.META)
        return super().authenticate(request)

    def authenticate_credentials(self, key: str) -> tuple[Any, AccessToken]:
        try:
            token = tokens.authenticate(key, self.address, FailedSignIn.Door.REST)
        except WrongToken as error:
            raise AuthenticationFailed(str(error)) from None
        return ScopedUser(token.user, token), token


class MayView(BasePermission):
    """Reading needs the right to view batches; everything else the right to act. A token that is limited to some
    processors opens their batches and nothing else."""

    act = OPERATE
    message = "Your account, or the token you came by, has no right to do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        right = VIEW if request.method in SAFE_METHODS else self.act
        return bool(request.user and request.user.has_perm(right)) and is_within(request, view)


def is_within(request: Request, view: APIView) -> bool:
    """Whether a limited token may come here: to a batch of its processors, or to a view that limits itself.

    Raises `UnknownBatch` for a batch of another processor, as for one that does not exist.
    """
    processors = processors_of(request.user)
    if not processors:
        return True
    batch_id = view.kwargs.get("batch_id")
    if batch_id is None:
        return bool(getattr(view, "limits_by_processor", False))
    if not Batch.objects.filter(pk=batch_id, processor__in=processors).exists():
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return True


class MayWatch(MayView):
    """Who may see batches may have mail about them."""

    act = VIEW


class MayPauseEverything(MayView):
    """Pausing everything has a right of its own."""

    act = PAUSE_EVERYTHING


class MayDelete(MayView):
    """Deleting and archiving have a right of their own."""

    act = DELETE
