"""Guessing passwords is slowed: so many failures of one name from one address, then a rest.

A try is counted before its password is hashed, so that no crowd of tries at once gets past the count, and taken back
when it succeeds. Who is signed in stays so, and the same name may sign in from elsewhere.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpRequest

from batches import accounts
from batches.access.addresses import address_of, network_of
from batches.access.allowances import Spending, Use, forget, spend
from batches.access.failures import per_address, per_name, record, too_many
from batches.exceptions import TooManyRequests
from batches.models import Allowance, FailedSignIn

REFUSED = "portal_too_many_sign_ins"
"""The attribute of a request whose sign-in was refused unread; its value is a `TooManyRequests`."""


class Guard:
    """The first of the authentication backends: it signs nobody in, and lets nobody past who has failed too often."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        name = name_in(credentials)
        if request is None or not name:
            return
        uses = spend([Spending(key, limit) for key, limit in keys_of(request, name)])
        exceeded = next((use for use in uses if use.is_exceeded), None)
        if exceeded is not None:
            setattr(request, REFUSED, (too_many(exceeded), exceeded))
            raise PermissionDenied


def name_in(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get(get_user_model().USERNAME_FIELD) or "")


def keys_of(request: HttpRequest, name: str) -> tuple[tuple[str, Any], ...]:
    """(key, limit): of the name from this address, and of the address over all names."""
    network = network_of(address_of(request.META))
    digest = sha256(name.casefold().encode(errors="replace")).hexdigest()[:32]
    return (f"sign-in:{network}:{digest}", per_name()), (f"sign-in:{network}", per_address())


def refusal_of(request: HttpRequest) -> TooManyRequests | None:
    """Why the sign-in of this request was refused unread; None when it was not."""
    refusal: tuple[TooManyRequests, Use] | None = getattr(request, REFUSED, None)
    return refusal[0] if refusal else None


def forget_failures(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """A name that signs in begins anew; its address has tried one time less."""
    if request is None or not hasattr(request, "META"):
        return
    (of_name, _), (of_address, _) = keys_of(request, user.get_username())
    forget(of_name)
    Allowance.objects.filter(pk=of_address, used__gt=0).update(used=F("used") - 1)


def note_failure(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Put it on record; of those that were refused unread, the first of a window."""
    if request is None:
        return
    refusal: tuple[TooManyRequests, Use] | None = getattr(request, REFUSED, None)
    if refusal is not None and refusal[1].used != refusal[1].limit.quantity + 1:
        return
    account = accounts.named(name_in(credentials).replace("\x00", ""))
    name = account.get_username() if account is not None else ""
    record(FailedSignIn.Door.PAGE, name, address_of(request.META), locked=refusal is not None)


def connect() -> None:
    user_logged_in.connect(forget_failures, dispatch_uid="batchportal.sign_in_guard")
    user_login_failed.connect(note_failure, dispatch_uid="batchportal.sign_in_guard")
