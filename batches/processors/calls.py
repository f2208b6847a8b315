"""What goes into a call of a processor's function beside the payloads, and what comes out of one of many items."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Rows(Protocol):
    """What a batch is to be made of: (row, line or None, payload) for each, from the start as often as wanted.
    `columns`: the names in a table's header, None where rows may differ."""

    columns: list[str] | None

    def __iter__(self) -> Iterator[tuple[int, int | None, dict[str, Any]]]: ...


class Context(Protocol):
    """What a processor gets beside the payload."""

    batch_id: str
    item_key: str
    position: int
    attempt: int
    params: dict[str, Any]
    rehearsing: bool
    """Whether everything will be rolled back: then a processor with effects elsewhere must only look."""
    logger: logging.Logger | logging.LoggerAdapter[Any]

    @property
    def per_worker(self) -> Any:
        """What the processor's `per_worker` opened, once for all items of this worker process."""

    @property
    def per_slice(self) -> Any:
        """What the processor's `per_slice` opened, once for the items of this time slice, 30 seconds at most."""

    @property
    def idempotency_key(self) -> str:
        """A key that stays the same for every attempt and take-over of this item."""

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        """Run one named step of this item once; a later attempt gets its remembered JSON result."""


def answers_of(answers: Any, items: int) -> list[Any]:
    """What a function of many gave for its items: results, or exceptions in their place; None is no result for each."""
    if answers is None:
        return [None] * items
    if not isinstance(answers, (list, tuple)):
        raise TypeError(f"The processor takes many items and must return a list, not {type(answers).__name__}.")
    if len(answers) != items:
        raise ValueError(f"The processor returned {len(answers)} outcomes for {items} items: each must have one.")
    return list(answers)


def result_of(answer: Any) -> Any:
    """The result that was given for an item; the exception that was given back in its place is raised."""
    if isinstance(answer, Exception):
        raise answer
    return answer
