"""Masks that come back from a download: each is the secret it hides again, and none is ever stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        was, had = (value if isinstance(value, Mapping) else {} for value in (old, shown))
        return {name: unmasked(value, was.get(name), had.get(name), column) for name, value in new.items()}
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
    was, had = (value if isinstance(value, list) else [] for value in (old, shown))
    if has_mask(new) and has_moved(new, had):
        raise refusal(column)
    return [
        unmasked(one, was[n] if n < len(was) else None, had[n] if n < len(had) else None, column)
        for n, one in enumerate(new)
    ]


def has_moved(new: list[Any], had: list[Any]) -> bool:
    """Whether a masked member stands elsewhere than it stood."""
    if len(new) != len(had):
        return True
    stood = {json.dumps(one, sort_keys=True) for one in had}
    changed = [one for one, before in zip(new, had, strict=True) if one != before and has_mask(one)]
    return any(json.dumps(one, sort_keys=True) in stood for one in changed)


def has_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(has_mask, inner))


def refusal(column: str) -> InputRefused:
    return InputRefused(
        f"{MASK} stands for a hidden value, and is none itself.",
        remedy="Write the real value, or leave the field as it was downloaded.",
        column=column,
    )
