"""What was tried in vain, on record and counted by where it came from."""

from __future__ import annotations

from datetime import timedelta
from time import time

from django.utils import timezone

from batches.access.addresses import network_of
from batches.access.allowances import Limit, Spending, Use, spend
from batches.conf import settings
from batches.exceptions import TooManyRequests
from batches.models import FailedSignIn
from batches.paged_deletes import delete_in_steps
from batches.wording import quantity

KEPT = timedelta(days=90)
ADDRESS_FACTOR = 10
"""How many times as much may fail from one address over all names as for one name."""
MOST_KEPT = 10_000
_refused: dict[str, Use] = {}
"""Addresses that have used up their tries, as far as this process knows: their next try costs no statement."""


def cool_off_seconds() -> int:
    return int(settings.PORTAL_COOL_OFF_MINUTES * 60)


def per_name() -> Limit:
    """Failures of one name from one address."""
    return Limit("sign-in", settings.PORTAL_SIGN_IN_TRIES, cool_off_seconds())


def per_address() -> Limit:
    return Limit("sign-in", settings.PORTAL_SIGN_IN_TRIES * ADDRESS_FACTOR, cool_off_seconds())


def record(door: str, name: str, address: str, *, locked: bool = False) -> None:
    FailedSignIn.objects.create(door=door, name=name[:150], address=address, locked=locked)


def count_wrong_token(prefix: str, address: str, door: str) -> None:
    """Count and record a token that was refused; `TooManyRequests` once its address has used up its tries."""
    key = f"wrong-token:{network_of(address)}"
    earlier = _refused.get(key)
    if earlier is not None and earlier.ends_at > time():
        raise too_many(earlier)
    (use,) = spend([Spending(key, per_address())])
    if not use.is_exceeded:
        record(door, prefix, address)
        return
    if use.used == use.limit.quantity + 1:
        record(door, prefix, address, locked=True)
    remember(key, use)
    raise too_many(use)


def remember(key: str, use: Use) -> None:
    if len(_refused) >= MOST_KEPT:
        _refused.clear()
    _refused[key] = use


def too_many(use: Use) -> TooManyRequests:
    patience = quantity(-(-use.resets_in // 60), "minute")
    return TooManyRequests(f"Too many failed sign-ins; try again in {patience}.", use.resets_in)


def forget_refused() -> None:
    """For tests, whose callers have the same address."""
    _refused.clear()


def forget_old() -> None:
    """Remove the failures that nobody will ask about any more."""
    delete_in_steps(FailedSignIn.objects.filter(at__lt=timezone.now() - KEPT))
