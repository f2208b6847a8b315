"""This process among the workers: its row, and the heart that says for all workers of this machine that they live."""

from __future__ import annotations

import inspect
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from django.db import Error as AnyDatabaseError
from django.db import connection, connections

import batches
from batches.engine.code_versions import HASH_LENGTH, code_of
from batches.lanes import workers
from batches.processors import Processor, all_processors

logger = logging.getLogger("batches")


def register() -> None:
    """Write this process's row; `AnyDatabaseError` when that is not possible now."""
    workers.register(code_version(), {each.name: form_of(each) for each in all_processors()})


class CeleryWorker:
    """What a Celery worker's processes are told before they are forked: whether they are its, and have its beat."""

    is_here = False
    has_beat = False
    registered = 0
    """The pid of this process, once its row is written; a forked child's is another."""

    @classmethod
    def register(cls) -> None:
        """Write the row of this process of a Celery worker, once. Without a beat in it, it vouches for itself."""
        if cls.is_here and os.getpid() != cls.registered:
            register()
            cls.registered = os.getpid()
            if not cls.has_beat:
                vouch_in_background()


def form_of(processor: Processor) -> str:
    """A hash of the processor's code and of the fields of its form."""
    fields = sorted(f"{name}:{type(field).__name__}" for name, field in processor.param_fields().items())
    return short_hash([code_of(processor), *fields])


@lru_cache(maxsize=1)
def code_version() -> str:
    """A hash of the engine's source and of all processors known."""
    sources = sorted(Path(inspect.getfile(batches)).parent.rglob("*.py"))
    return short_hash([*(path.read_text() for path in sources), *(form_of(each) for each in all_processors())])


def short_hash(texts: list[str]) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:HASH_LENGTH]


def vouch_in_background(over: threading.Event | None = None) -> threading.Thread:
    """A thread of its own says every 2 s who lives on this machine, until the event is set."""
    heart = threading.Thread(target=keep_vouching, args=(over or threading.Event(),), name="presence", daemon=True)
    heart.start()
    return heart


def keep_vouching(over: threading.Event) -> None:
    """Until it is over, with a database connection that stays open. A database that is away is asked again."""
    while not over.wait(workers.BEAT_EVERY):
        try:
            workers.vouch()
        except AnyDatabaseError as error:
            logger.warning("no heartbeat: %s", str(error).partition("\n")[0])
            connection.close()
        except Exception:
            logger.exception("no heartbeat, and the next one will be")
    connections.close_all()


@contextmanager
def at_work() -> Iterator[None]:
    """Inside, this process is one of the workers."""
    register()
    over = threading.Event()
    heart = vouch_in_background(over)
    try:
        yield
    finally:
        over.set()
        heart.join()
        leave()


def leave() -> None:
    """It is no worker any more. What a database that is away keeps of it goes after a day."""
    try:
        workers.leave()
    except AnyDatabaseError as error:
        logger.warning("still listed as a worker: %s", str(error).partition("\n")[0])
