"""What happens around the commits of calls to the outside: a fault before or after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from batches.engine import external


@contextmanager
def around(fault: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """`fault` stands in for each commit, of a transaction or of a statement that commits by itself."""
    real, record_and_claim = connections["default"], external.record_and_claim
    commit = real._commit  # type: ignore[attr-defined]

    def at_once(*arguments: Any) -> Any:
        answers: list[Any] = []
        fault(lambda: answers.append(record_and_claim(*arguments)))
        return answers[0]

    real._commit = lambda: fault(commit)  # type: ignore[attr-defined]
    if real.vendor == "postgresql":
        external.record_and_claim = at_once
    try:
        yield
    finally:
        real._commit, external.record_and_claim = commit, record_and_claim  # type: ignore[attr-defined]
