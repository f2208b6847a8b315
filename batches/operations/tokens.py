"""Making and revoking tokens: who may make which, and who revoked what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches import processors as registry
from batches.access import tokens
from batches.access.scopes import SCOPES, processors_of, role_of, token_behind
from batches.exceptions import InvalidInput, UnknownToken
from batches.models import AccessToken
from batches.models.access import LONGEST_NAME, PREFIX_LENGTH
from batches.moments import moment

TAKEN = "Another token of the account has this name: revoke it, or take another name."


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token that somebody wants: for whom, and what it is to open."""

    user: Any
    name: str
    scope: str = AccessToken.Scope.VIEWER
    processors: Sequence[str] = ()
    expires_at: datetime | None = None
    survives_password_change: bool = False


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and its key, which nobody can be shown again."""

    token: AccessToken
    key: str


def create_token(request: TokenRequest, *, by: Any = None, actor: str = "") -> NewToken:
    """A new token. `by` is the account that makes it, by a page or REST; without one it is made on the machine itself,
    and `actor` stands on record.

    Raises `InvalidInput`, or `PermissionDenied` where `by` makes it for somebody else.
    """
    check_token(request, by=by)
    key = tokens.new_key()
    token = AccessToken(
        user=request.user,
        name=request.name.strip(),
        prefix=key[:PREFIX_LENGTH],
        digest=tokens.digest_of(key),
        scope=request.scope,
        processors=list(dict.fromkeys(request.processors)),
        survives_password_change=request.survives_password_change,
        created_by=by.get_username() if by is not None else actor,
        expires_at=request.expires_at,
    )
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError:
        raise InvalidInput(TAKEN, {"name": [TAKEN]}) from None
    return NewToken(token, key)


def check_token(request: TokenRequest, *, by: Any = None) -> None:
    """Raises what `create_token` would, and writes nothing."""
    if by is not None and request.user.pk != by.pk and not by.is_superuser:
        raise PermissionDenied("Only admins make tokens for other accounts.")
    errors = {field: [problem] for field, problem in problems_of(request, by) if problem}
    if errors:
        field, (problem, *_) = next(iter(errors.items()))
        raise InvalidInput(f"{field}: {problem}", errors)


def problems_of(request: TokenRequest, by: Any) -> Sequence[tuple[str, str]]:
    """(field, why it is refused), empty where it is not."""
    maker = token_behind(by) if by is not None else None
    return (
        ("name", problem_of_name(request)),
        ("scope", problem_of_scope(request, by)),
        ("processors", problem_of_processors(request, by)),
        ("expires_at", problem_of_expiry(request.expires_at, maker)),
        ("survives_password_change", problem_of_survival(request, maker)),
    )


def problem_of_name(request: TokenRequest) -> str:
    name = request.name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        return f"Write 1 to {LONGEST_NAME} characters that can be printed."
    return TAKEN if AccessToken.objects.filter(user=request.user.pk, name=name, revoked_at=None).exists() else ""


def problem_of_scope(request: TokenRequest, by: Any) -> str:
    """Never more than the account may, nor than the one who makes it."""
    if request.scope not in SCOPES:
        return f"Write one of {', '.join(SCOPES)}."
    for user, owner in ((request.user, "the account"), (by, "you")):
        role = role_of(user) if user is not None else AccessToken.Scope.ADMIN
        if role is None or SCOPES.index(request.scope) > SCOPES.index(role):  # type: ignore[arg-type]
            return f"More than {owner} may: {role or 'nothing'} at most."
    return ""


def problem_of_processors(request: TokenRequest, by: Any) -> str:
    known = {processor.name for processor in registry.all_processors()}
    if unknown := sorted(set(request.processors) - known):
        return f"There is no processor {unknown[0][:100]!r}."
    limited = processors_of(by) if by is not None else []
    if limited and not (request.processors and set(request.processors) <= set(limited)):
        return f"Your own token is limited to {', '.join(limited)}: name some of these."
    return ""


def problem_of_expiry(at: datetime | None, maker: AccessToken | None) -> str:
    """It lies ahead, and a token makes none that outlives it."""
    if at is not None and at <= timezone.now():
        return "Name a time to come."
    if maker is not None and maker.expires_at is not None and (at is None or at > maker.expires_at):
        return f"Your own token expires before, at {moment(maker.expires_at)}."
    return ""


def problem_of_survival(request: TokenRequest, maker: AccessToken | None) -> str:
    outlives = request.survives_password_change and maker is not None and not maker.survives_password_change
    return "Your own token ends with the password." if outlives else ""


def tokens_for(user: Any) -> QuerySet[AccessToken]:
    """The tokens that an account sees: its own, an admin all."""
    every = AccessToken.objects.select_related("user")
    return every if user.is_superuser else every.filter(user=user.pk)


def get_token(pk: int, user: Any) -> AccessToken:
    """One of those that an account sees; raises `UnknownToken`."""
    token = tokens_for(user).filter(pk=pk).first()
    if token is None:
        raise UnknownToken(f"There is no token {pk}.")
    return token


def revoke_token(token: AccessToken, *, actor: str, reason: str = "") -> bool:
    """End it at once, its open sockets within seconds; False when it was revoked before."""
    return bool(tokens.revoke(Q(pk=token.pk), actor, reason))
