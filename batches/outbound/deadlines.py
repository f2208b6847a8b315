"""One deadline for a whole exchange: name, connection, TLS, request, headers, body and redirects together.

A timeout of a socket counts from one byte to the next, so that who sends a byte now and then is never given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

_until: ContextVar[float] = ContextVar("until")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """What is read and written within must be over after so many seconds."""
    token = _until.set(monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def seconds_left() -> float:
    """Until the exchange must be over; `TimeoutError` when that has passed."""
    left = _until.get() - monotonic()
    if left <= 0:
        raise TimeoutError("The exchange took too long.")
    return left
