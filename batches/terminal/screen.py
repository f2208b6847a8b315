"""Where a command writes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Screen:
    """Lines for people, or one JSON document if `as_json`; remarks beside them go to standard error."""

    out: Any
    err: Any
    as_json: bool

    def line(self, text: str) -> None:
        self.out.write(text)

    def lines(self, texts: list[str]) -> None:
        self.out.write("\n".join(texts))

    def remark(self, text: str) -> None:
        self.err.write(text)

    def document(self, value: Any) -> None:
        self.out.write(json.dumps(value, ensure_ascii=False, default=str))
