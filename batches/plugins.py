"""Code of others that joins in: each piece is imported under a guard, so that a broken one stops nothing else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger("batches")


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """An app or module that could not be imported; `source`: where it was named, `error`: what it raised, and where."""

    name: str
    source: str
    error: str


_broken: dict[str, BrokenPlugin] = {}


def broken_plugins() -> list[BrokenPlugin]:
    """Those that this process could not import, by name."""
    return [_broken[name] for name in sorted(_broken)]


def left_out() -> str:
    """A sentence, after a space, that names them and the class of what they raised; empty if there are none."""
    names = ", ".join(f"{plugin.name} ({plugin.error.partition(':')[0]})" for plugin in broken_plugins())
    return f" Left out, as it cannot be imported: {names}." if names else ""


@contextmanager
def guarded(name: str, source: str) -> Iterator[None]:
    """What raises inside is noted under that name, and gone."""
    try:
        yield
    except (Exception, SystemExit) as error:
        _broken[name] = BrokenPlugin(name, source, text_of(error))
        logger.error("plug-in %s (%s) is left out: %s", name, source, _broken[name].error)


def text_of(error: BaseException) -> str:
    """The error and the place in the code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
