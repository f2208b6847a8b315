"""A value as a cell of a table, safe from being run as a formula, and back again.

`guarded` puts a `'` in front of text that a spreadsheet would run; `unguarded` takes exactly that away, so that
`unguarded(guarded(text)) == text` for every text. Source: OWASP, CSV Injection.
"""

from __future__ import annotations

import json
import re
from typing import Any

GUARD = "'"
TRIGGERS = frozenset("=+-@|\t\r\n＝＋－＠")
PASSED_OVER = " \u00a0\ufeff\u200b\"'"
"""What a spreadsheet may drop before it looks at the first character; with `'` among it, no text loses its own."""
PLAIN_NUMBER = re.compile(r"\A[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
JSON_NUMBER = re.compile(r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
LONGEST = 32_000
CUT = "…[cut]"
NUMBER, TEXT, TRUTH, NESTED = "number", "text", "true or false", "nested"


def is_formula(text: str) -> bool:
    return text.lstrip(PASSED_OVER)[:1] in TRIGGERS and not PLAIN_NUMBER.match(text)


def guarded(text: str) -> str:
    return GUARD + text if is_formula(text) else text


def unguarded(text: str) -> str:
    return text[1:] if text[:1] == GUARD and is_formula(text[1:]) else text


def kind_of(value: Any) -> str | None:
    """The kind of a JSON value; None for null, which says nothing about its column."""
    if value is None:
        return None
    if isinstance(value, bool):
        return TRUTH
    if isinstance(value, (int, float)):
        return NUMBER
    return TEXT if isinstance(value, str) else NESTED


def as_text(value: Any) -> str:
    """A cell's content as text: what a spreadsheet shows of a number or a truth value is written as JSON does."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def says(cell: Any, value: Any) -> bool:
    """Whether a cell still says what the value says, however it was written."""
    text = as_text(cell)
    if value is None:
        return text == ""
    if isinstance(value, str):
        return says_text(text, value)
    if isinstance(value, bool):
        return text.strip().lower() == as_text(value)
    read = parsed(text)
    return (kind_of(read) == kind_of(value) and read == value) or is_cut(text, as_text(value))


def says_text(text: str, value: str) -> bool:
    """Whether a cell says the value's text: also with a guard, other line breaks, or as far as a cut cell goes."""
    if text == value or one_line_break(unguarded(text)) == one_line_break(value):
        return True
    return is_cut(text, value)


def is_cut(text: str, whole: str) -> bool:
    """Whether a cell was cut for its length: it ends with the mark, and says what the whole begins with."""
    return text.endswith(CUT) and len(text) > len(CUT) and whole.startswith(unguarded(text)[: -len(CUT)])


def units(text: str) -> int:
    """The length of a text as Excel counts it: in UTF-16, where an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str) -> str:
    """A text as far as a spreadsheet takes it, with the mark where it was cut."""
    if len(text) * 2 <= LONGEST or units(text) <= LONGEST:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * LONGEST].decode("utf-16-le", "ignore")
    return kept + CUT


def one_line_break(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def parsed(text: str) -> Any:
    """The JSON value of a text; None if it is none."""
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return None


def read(cell: Any, kind: str | None) -> Any:
    """The value of a changed cell in a column of that kind; what does not fit the kind stays text."""
    text = unguarded(as_text(cell))
    if kind == NUMBER and JSON_NUMBER.match(text.strip()) and (number := parsed(text)) is not None:
        return number
    if kind == TRUTH and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if kind in (NUMBER, TRUTH, NESTED) and not text.strip():
        return None
    return text


def same_number(old: Any, new: Any) -> bool:
    """Whether two texts are one number written differently, as spreadsheets do: 007 and 7, 12345678901 and 1.23E+10."""
    if not (isinstance(old, str) and isinstance(new, str)) or old == new:
        return False
    if not (PLAIN_NUMBER.match(old) and PLAIN_NUMBER.match(new)) or max(len(old), len(new)) > 400:
        return False
    before, after = float(old), float(new)
    return before == after or ("E" in new.upper() and before != 0 and abs(after / before - 1) < 1e-4)
