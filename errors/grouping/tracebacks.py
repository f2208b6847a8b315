"""Where an exception came from: frames and classes, never values."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from types import CodeType, FrameType

from batches.lanes.outcomes import storable
from batches.processors import ItemError

MAX_TEXT = 64 * 1024
MAX_FRAMES, MAX_CHAINED = 30, 8
TEXTS: dict[tuple[tuple[int, int], ...], tuple[list[CodeType], str]] = {}
"""Formatted frames by the ids of their code and their lines; kept with the code, so that no other gets its id."""
MAX_TEXTS = 200
ENGINE_FILES = ("/batches/engine/runner.py", "/batches/isolation/guard.py")


def stack_of(exception: BaseException) -> str:
    """The frames of an exception and of what caused it; empty for one the processor raised on purpose, for no cause."""
    if isinstance(exception, ItemError) and exception.__cause__ is None:
        return ""
    try:
        chain = islice(chain_of(exception), MAX_CHAINED)
        parts = [f"{link}{class_path(error)}\n{frames_of(error)}" for link, error in chain]
    except Exception:
        return ""
    return clean("\n".join(parts))


def clean(text: str) -> str:
    """Text as any database takes it, cut to 64 KiB."""
    return text[:MAX_TEXT].replace("\x00", "\ufffd").encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore")


def class_path(error: BaseException) -> str:
    return storable(f"{type(error).__module__}.{type(error).__qualname__}")[:300]


def frames_of(error: BaseException) -> str:
    last = deque(traceback.walk_tb(error.__traceback__), maxlen=MAX_FRAMES)
    place = tuple((id(frame.f_code), line) for frame, line in last)
    if cached := TEXTS.get(place):
        return cached[1]
    text = formatted(last)
    if len(TEXTS) >= MAX_TEXTS:
        TEXTS.clear()
    TEXTS[place] = [frame.f_code for frame, _ in last], text
    return text


def formatted(last: Iterable[tuple[FrameType, int]]) -> str:
    stack = traceback.StackSummary.extract(iter(last), lookup_lines=True)
    return "".join(stack.format_frame_summary(frame) for frame in stack if not frame.filename.endswith(ENGINE_FILES))


def chain_of(exception: BaseException) -> Iterator[tuple[str, BaseException]]:
    """The exception, its causes and the members of groups, each once and with how it is linked to the one before."""
    waiting: deque[tuple[str, BaseException]] = deque([("", exception)])
    seen: set[int] = set()
    while waiting:
        link, error = waiting.popleft()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield link, error
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(("in it: ", member) for member in error.exceptions[:MAX_CHAINED])
        if error.__cause__ is not None:
            waiting.append(("caused by ", error.__cause__))
        elif error.__context__ is not None and not error.__suppress_context__:
            waiting.append(("while handling ", error.__context__))
