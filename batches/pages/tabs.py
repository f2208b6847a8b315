"""Tabs above a list: each shows other rows of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tab:
    """One of them; `count` is how many rows it has, where that is shown."""

    label: str
    url: str
    is_current: bool
    count: int | None = None
