"""Which failures are the same: processor, class, code and template of the message, hashed. The version is hashed with
them, so that a better template one day starts new groups instead of splitting old ones."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Any

from batches.lanes.classification import attribute_of
from batches.lanes.outcomes import storable
from batches.processors import ItemError
from errors.grouping.templates import template

VERSION = "fp1"
OTHER = "other messages"
DEFAULT = "{{ default }}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a group from others; `title` is for people, `key` is what its failures have in common, as hashed.

    `is_template`: the key is the template of a message, and nothing but that and the class and code was hashed.
    """

    fingerprint: str
    title: str
    key: str
    is_template: bool = False


def identify(
    processor: str,
    exception: BaseException,
    code: str,
    message: str,
    payload: Any = None,
    known_fields: Collection[str] = (),
    clean: Callable[[str], str] = str,
) -> Identity:
    """The group of a failure. The processor's own fingerprint wins; without a message, the place in the code counts.

    `message` has been freed of secrets; `clean` frees what else the processor says.
    """
    name = type(exception).__qualname__
    bare = not message.strip() or message == name
    message_template = template("" if bare else message, payload, known_fields)
    key = message_template.key or last_frame(exception.__traceback__)
    default = fingerprint_of(processor, name, code, key)
    own = attribute_of(exception, "fingerprint") if isinstance(exception, ItemError) else ""
    if isinstance(own, str) and own:
        key = storable(clean(own[: 2 * 500]))[:500]
        return Identity(fingerprint_of(processor, key.replace(DEFAULT, default)), message_template.title or name, key)
    return Identity(default, message_template.title or name, key, is_template=bool(message_template.key))


def identify_as_other(processor: str, exception: BaseException, code: str) -> Identity:
    """The group of other messages, for failures whose class and code have too many templates in one batch."""
    name = type(exception).__qualname__
    return Identity(fingerprint_of(processor, name, code, f"\x00{OTHER}"), f"{name}: {OTHER}", OTHER)


def fingerprint_of(*parts: str) -> str:
    """16 hexadecimal digits of a hash over the parts and the version."""
    return sha256("\x1f".join((VERSION, *parts)).encode(errors="replace")).hexdigest()[:16]


def last_frame(stack: TracebackType | None) -> str:
    """`module.function` where the exception came from, without the line, so that an edit above keeps the group."""
    try:
        last = list(traceback.walk_tb(stack))[-1][0]
    except IndexError:
        return ""
    return f"{last.f_globals.get('__name__', '?')}.{last.f_code.co_qualname}"[:200]
