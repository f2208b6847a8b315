"""One file of the corpus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """A file under its name, read with options. `rows` are the payloads it has; where there are none it is refused, and
    `words` stand in the refusal; else they stand in the notes."""

    about: str
    name: str
    content: bytes
    rows: list[dict[str, Any]] | None = None
    words: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
