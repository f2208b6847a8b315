"""What another app may hang into the engine: one `Extension`, registered once, in the app's `AppConfig.ready`.

    class BillingConfig(AppConfig):
        def ready(self):
            register(Extension(name="billing", checks=(every_item_is_billed,)))

An extension names what it has; what it leaves out does nothing. The engine asks all of them, in the order in which
they were registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.db.models.expressions import Combinable

from batches.command_line import Verb
from batches.models import Batch

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True)
class Scope:
    """A way to name items, for a retry, a rehearsal or a quarantine: `condition(batch, value)` is the condition on
    items that a value means, or raises `InvalidInput`.

    One that `reads_items` looks at the items each time it is asked, in the statuses that it gets as third argument.
    """

    condition: Callable[..., Q]
    reads_items: bool = False


def nothing_broken(batch: Batch) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What an app adds to the engine, under a name of its own."""

    name: str

    # which items
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    """Further ways to name items, by the argument of `operations.retry` that holds the value."""
    failure_kind: Callable[[], Combinable] | None = None
    """In a query of items: what each one's last failure has in common with others; the error code where it is null."""
    permanent_failures: Callable[[Batch], Q] | None = None
    """The condition on failed items of a batch that cannot pass unchanged: a careful retry leaves them out."""

    # what must hold
    broken_promises: Callable[[Batch], Iterator[str]] = nothing_broken
    """For `batch verify`: a sentence for each promise of the app that the batch's rows break."""

    # command line
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    """Further verbs of `manage.py batch`, by name."""


_registered: dict[str, Extension] = {}


def register(extension: Extension) -> None:
    """Hang the extension in. Raises `ImproperlyConfigured` if another one has its name."""
    if extension.name in _registered:
        raise ImproperlyConfigured(f"Two extensions of the engine are named {extension.name!r}.")
    _registered[extension.name] = extension


def unregister(extension: Extension) -> None:
    """Take the extension out again."""
    del _registered[extension.name]


def registered() -> tuple[Extension, ...]:
    """All extensions, in the order of their registration."""
    return tuple(_registered.values())


def joined(own: Mapping[str, Named], added: Callable[[Extension], Mapping[str, Named]]) -> dict[str, Named]:
    """What the engine has by name, and after that what extensions add; raises `ImproperlyConfigured` if a name is
    taken twice."""
    everything = dict(own)
    for extension in registered():
        for name, thing in added(extension).items():
            if name in everything:
                raise ImproperlyConfigured(f"Extension {extension.name} of the engine: the name {name!r} is taken.")
            everything[name] = thing
    return everything
