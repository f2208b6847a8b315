"""Who may open a socket: by session cookie and Origin, or by token; asked again while it is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest, parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from batches.access import tokens
from batches.access.addresses import address_of_scope
from batches.access.scopes import ScopedUser, processors_of
from batches.exceptions import TooManyRequests, WrongToken
from batches.models import AccessToken, Batch, FailedSignIn
from batches.rights import VIEW

PROTOCOL = "batchportal"
TOKEN_PROTOCOL = "token."  # noqa: S105 - the prefix of one
MOST_BATCHES = 100
"""Batches that one socket may watch."""


class Refused(Exception):
    """No socket; `status` is the HTTP status of the refusal."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose socket it is, and by which key it was opened."""

    user_id: int
    password: str = ""
    """Its hash, where a new one ends the admission; of a token that is the table's business."""
    session: str = ""
    token: int = 0
    """The token's primary key."""


def admit(scope: dict[str, Any], batch_ids: Sequence[str]) -> Admission:
    """The admission to these batches, or `Refused`: 403 for who may not watch, 404 for a batch that does not exist."""
    headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
    check_origin(headers, secure=is_secure(scope, headers))
    token = token_of(headers, scope.get("subprotocols", ()))
    user = by_token(token, address_of_scope(scope, headers)) if token is not None else None
    admission = token_admission(user) if user is not None else by_session(headers)
    if not batch_ids or len(batch_ids) > MOST_BATCHES:
        raise Refused(404, f"Name 1 to {MOST_BATCHES} batches.")
    watchable = Batch.objects.filter(pk__in=batch_ids)
    if processors := processors_of(user):
        watchable = watchable.filter(processor__in=processors)
    if watchable.count() != len(set(batch_ids)):
        raise Refused(404, "There is no such batch.")
    return admission


def is_secure(scope: dict[str, Any], headers: dict[str, str]) -> bool:
    """Whether the client speaks TLS: to us, or to the proxy before us if there is one that says so."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return headers.get(name.removeprefix("HTTP_").replace("_", "-").lower()) == value
    return scope.get("scheme") == "wss"


def check_origin(headers: dict[str, str], *, secure: bool) -> None:
    """A browser names the page that opens the socket: it must be one of ours, by scheme, host and port. Other clients
    name none."""
    host = headers.get("host", "")
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]):
        raise Refused(403, "This portal does not go by that host name.")
    origin = headers.get("origin")
    ours = f"{'https' if secure else 'http'}://{host}"
    if origin is not None and origin != ours and origin not in settings.CSRF_TRUSTED_ORIGINS:
        raise Refused(403, "A page of another site may not open this socket.")


def token_of(headers: dict[str, str], protocols: Iterable[str]) -> str | None:
    """From `Authorization: Token …`, or, as a browser cannot set headers, the subprotocol `token.…`; never the URL."""
    if "authorization" in headers:
        kind, _, key = headers["authorization"].partition(" ")
        return key.strip() if kind.lower() == "token" else ""
    return next((name.removeprefix(TOKEN_PROTOCOL) for name in protocols if name.startswith(TOKEN_PROTOCOL)), None)


def by_token(key: str, address: str) -> ScopedUser:
    """The account that comes by it; 403 for one that opens nothing, 429 after too many of these."""
    try:
        token = tokens.authenticate(key, address, FailedSignIn.Door.SOCKET)
    except WrongToken as error:
        raise Refused(403, str(error)) from None
    except TooManyRequests as error:
        raise Refused(429, str(error)) from None
    return ScopedUser(token.user, token)


def token_admission(user: ScopedUser) -> Admission:
    refuse_unless_may_watch(user)
    return Admission(user.pk, token=user.access_token.pk)


def by_session(headers: dict[str, str]) -> Admission:
    """A cookie counts only beside an Origin, so that no page of another site can use it."""
    try:
        key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        key = None
    if not key or "origin" not in headers:
        raise Refused(403, "Sign in first.")
    request = HttpRequest()
    request.session = SessionStore(key)
    user: Any = get_user(request)
    refuse_unless_may_watch(user)
    return Admission(user.pk, user.password, session=key)


def refuse_unless_may_watch(user: Any) -> None:
    if not isinstance(user, AbstractBaseUser) or not user.is_active or not user.has_perm(VIEW):  # type: ignore[attr-defined]
        raise Refused(403, "This account may not watch batches.")


def revoked_admissions(admissions: Collection[Admission]) -> set[Admission]:
    """Those that no longer hold: right taken away, account closed, password changed, signed out, token revoked or
    expired."""
    users = get_user_model()._default_manager.with_perm(  # type: ignore[attr-defined]
        VIEW, backend="django.contrib.auth.backends.ModelBackend"
    )
    passwords = dict(users.filter(pk__in={admission.user_id for admission in admissions}).values_list("pk", "password"))
    sessions = {admission.session for admission in admissions if admission.session}
    by_token = {admission.token for admission in admissions if admission.token}
    open_sessions = Session.objects.filter(pk__in=sessions, expire_date__gt=timezone.now())
    valid = set(open_sessions.values_list("pk", flat=True)) if sessions else set()
    valid_tokens = (
        set(AccessToken.in_force().filter(pk__in=by_token).values_list("pk", flat=True)) if by_token else set()
    )
    return {
        admission
        for admission in admissions
        if admission.user_id not in passwords
        or (admission.token and admission.token not in valid_tokens)
        or (
            admission.session
            and not (admission.session in valid and passwords[admission.user_id] == admission.password)
        )
    }
