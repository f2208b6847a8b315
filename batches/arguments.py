"""What callers of the Python API may pass, decided before a driver sees it: the same on every database.

Whatever is refused raises `InvalidInput` with the argument's name, what it was, and what it must be.
"""

from __future__ import annotations

import inspect
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from batches import coroutines
from batches.exceptions import InvalidInput
from batches.models import BATCH_ID, ITEM_KEY_LENGTH

LARGEST_NUMBER = 2**31 - 1
"""Of items, indexes and attempts: what a column holds on every database."""
SHOWN = 60  # characters of a value that is refused


def refused(name: str, value: Any, must: str) -> InvalidInput:
    """The refusal of an argument; `must` says what it must be."""
    try:
        shown = repr(value)
    except Exception:
        shown = f"a {type(value).__name__}"
    shown = shown.encode("utf-8", "backslashreplace").decode()
    cut = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    return InvalidInput(f"{name} is {cut}; it must be {must}.", {name: [f"It must be {must}."]})


def checked_id(batch_id: Any) -> str:
    """The batch id, or `InvalidInput` if it is none."""
    if not isinstance(batch_id, str) or not BATCH_ID.match(batch_id):
        raise InvalidInput(
            f"{batch_id!r} is no batch id: use 1 to 64 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit.",
            {"batch_id": ["Not a batch id."]},
        )
    return batch_id


def checked_item(item_id: Any) -> str:
    """The item id as text, or `InvalidInput` if it is none."""
    text = "" if item_id is None or isinstance(item_id, (bytes, bytearray)) else str(item_id)
    if not text or len(text) > ITEM_KEY_LENGTH or not is_storable(text):
        raise InvalidInput(
            f"An item id has 1 to {ITEM_KEY_LENGTH} characters, no NUL and no half surrogate pair; this one is "
            f"{ascii(item_id)[:SHOWN]}.",
            {"item_id": ["Not an item id."]},
        )
    return text


def is_storable(text: str) -> bool:
    """Whether every database stores the text: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\x00" not in text
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def checked_text(name: str, value: Any, *, without: str = "") -> str:
    """Text that is not empty, storable, and has none of the characters `without`."""
    if not isinstance(value, str) or not value or not is_storable(value) or set(without) & set(value):
        raise refused(name, value, f"text, without NUL{''.join(f' or {mark!r}' for mark in without)}")
    return value


def whole_number(name: str, value: Any, least: int = 0, most: int = LARGEST_NUMBER) -> int:
    """A whole number, both bounds included; no boolean, and no text of digits."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise refused(name, value, f"a whole number from {least:,} to {most:,}")
    return number


def checked_list(name: str, value: Any, *, or_keys: bool = False) -> Iterable[Any]:
    """Several values: a text is one. A mapping is refused unless its keys are meant."""
    is_single = isinstance(value, (str, bytes, bytearray)) or (isinstance(value, Mapping) and not or_keys)
    if is_single or not isinstance(value, Iterable):
        raise refused(name, value, "a list")
    return value


def json_text(name: str, value: Any) -> str:
    """The value as JSON text that every database stores, keys in their order."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The {name} is not JSON: {error}. Pass text, numbers (no NaN), booleans, None, lists and dicts; times as "
            "text, by isoformat().",
            {name: ["Not JSON."]},
        ) from error
    if "\\u0000" in text or "\\ud" in text:
        refuse_unstorable(name, json.loads(text))
    return text


def refuse_unstorable(name: str, value: Any) -> None:
    """`InvalidInput` for JSON in which a text is not storable."""
    if isinstance(value, str) and not is_storable(value):
        problem = "holds a NUL character or half a surrogate pair, which no database stores"
        raise InvalidInput(f"The {name} {problem}. Take it out, or encode it (base64, say).", {name: ["Not storable."]})
    children = (*value.keys(), *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        refuse_unstorable(name, child)


def checked_function(name: str, value: Any, arguments: int) -> Callable[..., Any]:
    """Something that can be called with so many arguments, and runs when it is called."""
    must = f"a function of {arguments} argument{'' if arguments == 1 else 's'}"
    if not callable(value):
        raise refused(name, value, must)
    coroutines.refuse_generator(value, name)
    try:
        inspect.signature(value).bind(*range(arguments))
    except TypeError as error:
        raise InvalidInput(f"{name} cannot be called: {error}. It must be {must}.", {name: [f"Not {must}."]}) from None
    except ValueError:
        pass  # a builtin that does not tell its signature
    return value


def checked_error(name: str, value: Any) -> BaseException:
    """An exception, as it was raised or made."""
    if not isinstance(value, BaseException):
        raise refused(name, value, "an exception: pass what was caught, not its text")
    return value
