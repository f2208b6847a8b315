"""What keeps a lease while its holder is busy with something that takes long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error as AnyDatabaseError
from django.db import connections

from batches.conf import settings

logger = logging.getLogger("batches")

BEATS = 4
"""Renewals within the length of a lease."""


@contextmanager
def beating(renew: Callable[[], None]) -> Iterator[None]:
    """Inside, `renew` is called now and then by a thread of its own, which has a database connection of its own."""
    over = threading.Event()
    heart = threading.Thread(target=beat, args=(renew, over), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()


def beat(renew: Callable[[], None], over: threading.Event) -> None:
    """Until it is over. A database that is away is asked again: who holds what is decided when it is to be recorded."""
    while not over.wait(settings.PORTAL_LEASE_SECONDS / BEATS):
        try:
            renew()
        except AnyDatabaseError as error:
            logger.warning("a lease was not renewed: %s", error)
        finally:
            connections.close_all()
