"""Masks that come back from a download: each is the secret it hides again, and none is ever stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from batches.exceptions import InputRefused
from batches.redaction import MASK


def unmasked(new: Any, old: Any, shown: Any, column: str) -> Any:
    """The new value, each mask that stands where it stood replaced by what it hides.

    `old` is stored, `shown` is how it was downloaded. `InputRefused` for a mask that hides nothing of the item.
    """
    if isinstance(new, str):
        return unmasked_text(new, old, shown, column)
    if isinstance(new, Mapping):
        old, shown = (value if isinstance(value, Mapping) else {} for value in (old, shown))
        return {name: unmasked(value, old.get(name), shown.get(name), column) for name, value in new.items()}
    if isinstance(new, list):
        return unmasked_list(new, old, shown, column)
    return new


def unmasked_text(new: str, old: Any, shown: Any, column: str) -> Any:
    if MASK not in new:
        return new
    if new == shown:
        return old
    if isinstance(old, str) and MASK in old:
        return new
    raise refusal(column)


def unmasked_list(new: list[Any], old: Any, shown: Any, column: str) -> list[Any]:
    """A list's masks replaced by place, and only while nothing has moved: a secret must not land in its neighbour."""
    old, shown = (value if isinstance(value, list) else [] for value in (old, shown))
    if has_mask(new) and has_moved(new, shown):
        raise refusal(column)
    members = zip_longest(new, old[: len(new)], shown[: len(new)])
    return [unmasked(value, stored, before, column) for value, stored, before in members]


def has_moved(new: list[Any], shown: list[Any]) -> bool:
    """Whether a masked member stands elsewhere than it stood."""
    if len(new) != len(shown):
        return True
    texts_shown = {json.dumps(value, sort_keys=True) for value in shown}
    changed = [value for value, before in zip(new, shown, strict=True) if value != before and has_mask(value)]
    return any(json.dumps(value, sort_keys=True) in texts_shown for value in changed)


def has_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(has_mask, inner))


def is_over_mask(new: Any, shown: Any) -> bool:
    """Whether something else than a mask stands where one was shown: it may be what the mask hides, or not."""
    if isinstance(shown, Mapping):
        given = new if isinstance(new, Mapping) else {}
        return any(is_over_mask(given.get(name), value) for name, value in shown.items())
    if isinstance(shown, list):
        members = zip_longest(new if isinstance(new, list) else [], shown)
        return any(is_over_mask(value, before) for value, before in members)
    return has_mask(shown) and new != shown


def refusal(column: str) -> InputRefused:
    return InputRefused(
        f"{MASK} stands for a hidden value, and is none itself.",
        remedy="Write the real value, or leave the field as it was downloaded.",
        column=column,
    )
