"""What another app may hang into the engine: one `Extension`, registered once, in the app's `AppConfig.ready`.

    class BillingConfig(AppConfig):
        def ready(self):
            register(Extension(name="billing", broken_promises=unbilled_items))

An extension names what it has; what it leaves out does nothing. The engine asks all of them, in the order in which
they were registered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse

from batches.command_line import Verb
from batches.exceptions import BatchError
from batches.failures import Failure
from batches.models import Batch, Fix, Item, Milestone, Quarantine, QuarantinedItem, Retry, Transition
from batches.moments import moment
from batches.removal_hooks import RemovalHooks

logger = logging.getLogger("batches")

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True)
class Scope:
    """A way to name items, for a retry, a rehearsal or a quarantine: `condition(batch, value)` is the condition on
    items that a value means, or raises `InvalidInput`.

    One that `reads_items` looks at the items each time it is asked, in the statuses that it gets as third argument.
    """

    condition: Callable[..., Q]
    reads_items: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A way to a page: what it says, and how many rows that page lists, if it is a number of them."""

    label: str
    url: str
    count: int | None = None
    primary: bool = False
    """Whether it is the first thing to do."""
    key: str = ""
    """The key on the keyboard that follows it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is wrong at this moment, at the head of every page: the text, with a time in the middle if it has one."""

    before: str
    at: datetime | None = None
    after: str = ""

    @property
    def text(self) -> str:
        """For a terminal."""
        return f"{self.before}{'' if self.at is None else f' {moment(self.at)}'}{self.after}"


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """Something that happened to an item, on the timeline of its page."""

    at: datetime
    kind: str
    """succeeded, skipped, failed, retried, corrected or quarantined: it decides the colour."""
    text: str
    actor: str = ""
    reason: str = ""
    url: str = ""
    changes: Sequence[tuple[str, str, str]] = ()
    """(field, old value, new value) of a corrected payload."""
    worker: str = ""
    template: str = ""
    """Draws `details` below the event, under that name."""
    details: Any = None


@dataclass(frozen=True, slots=True)
class FailureDescription:
    """How a failure would be recorded: with which others it is counted, and what is said of it."""

    fingerprint: str
    title: str
    code: str
    category: str
    error_type: str
    message: str
    fields: Sequence[str] = ()


def no_record(batch: Batch, failures: Sequence[Failure]) -> None:
    return None


def no_note(*arguments: Any) -> None:
    return None


def not_told(batch: Batch, items: QuerySet[Any]) -> None:
    return None


def nothing_broken(batch: Batch) -> Iterator[str]:
    yield from ()


def nothing_predicted(batch: Batch, scope: Mapping[str, Any], permanent: bool) -> Mapping[str, Any]:
    return {}


def no_navigation() -> Sequence[Link]:
    return ()


def current_notices() -> list[Notice]:
    """What is wrong now, as every extension says."""
    return [notice for extension in registered() for notice in extension.notices()]


def no_notices() -> Sequence[Notice]:
    return ()


def no_batch_links(batch: Batch, failed_items: int) -> Sequence[Link]:
    return ()


def no_item_links(item: Item, quarantined: QuarantinedItem | None) -> Sequence[Link]:
    return ()


def no_failures(item: Item, limit: int) -> Sequence[ItemEvent]:
    return ()


def no_page(*about: object) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What an app adds to the engine, under a name of its own."""

    name: str

    # while a batch runs
    item_failed: Callable[[Batch, Sequence[Failure]], None] = no_record
    """Within the chunk's transaction, once for all failed attempts of the chunk, before their items are written: what
    it writes commits or rolls back with them, and if it raises, the chunk is rolled back."""
    describe_failures: Callable[[Batch, Sequence[Failure]], Sequence[FailureDescription]] | None = None
    """For the failures of a rehearsed chunk, after it was rolled back: a description of each. Writes nothing."""
    items_corrected: Callable[[Batch, Retry, QuerySet[Any]], None] = no_note
    """Within the transaction that corrects items, before anything is done to them. The query is of their ids."""
    items_given_up: Callable[[Batch, QuerySet[Any]], None] = not_told
    """Within the transaction that fails items which waited for their next try, before it does: their last attempt was
    the final one."""
    transition_recorded: Callable[[Transition], None] = no_note
    """Within the transaction of a change of a batch's status, or of an act upon it."""
    milestone_recorded: Callable[[Milestone, int, int], None] = no_note
    """Within the transaction that reaches a milestone, with the number of items that are done, and of all."""
    milestones_recorded: Callable[[Sequence[Milestone], int, int], None] = no_note
    """The same, once for all that this transaction reaches."""
    batch_transitioned: Callable[[Transition], None] = no_note
    """After the commit of a transition."""
    milestone_reached: Callable[[Milestone], None] = no_note
    """After the commit of a milestone."""

    needs_attention: Callable[[], Q] | None = None
    """The condition on batches that are over of which something is left to do; without one, that items have failed."""

    # which items
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    """Further ways to name items, by the argument of `operations.retry` that holds the value."""
    failure_kind: Callable[[], Combinable] | None = None
    """In a query of items: what each one's last failure has in common with others; the error code where it is null."""
    permanent_failures: Callable[[Batch], Q] | None = None
    """The condition on failed items of a batch that cannot pass unchanged: a careful retry leaves them out."""

    predict_retry: Callable[[Batch, Mapping[str, Any], bool], Mapping[str, Any]] = nothing_predicted
    """What a retry of a scope should bring, as it is kept beside what becomes of it; with `permanent` also of what
    cannot pass unchanged. Empty: nothing is predicted."""

    # what must hold
    broken_promises: Callable[[Batch], Iterator[str]] = nothing_broken
    """For `batch verify`: a sentence for each promise of the app that the batch's rows break."""

    removal: RemovalHooks = field(default_factory=RemovalHooks)
    """Its part when a batch at rest is deleted or archived."""

    # command line
    verbs: Mapping[str, Verb] = field(default_factory=dict)
    """Further verbs of `manage.py batch`, by name."""

    # REST
    rest_routes: str = ""
    """The module of its routes below /api/."""
    http_statuses: Mapping[type[BatchError], int] = field(default_factory=dict)
    """How its own refusals are answered."""

    # pages
    navigation: Callable[[], Sequence[Link]] = no_navigation
    """Links at the head of every page, behind the engine's own."""
    notices: Callable[[], Sequence[Notice]] = no_notices
    """What is wrong at this moment, at the head of every page."""
    batch_links: Callable[[Batch, int], Sequence[Link]] = no_batch_links
    """Buttons of a batch's page, which has so many failed items."""
    item_links: Callable[[Item, QuarantinedItem | None], Sequence[Link]] = no_item_links
    """Buttons of an item's page, for who may operate; the second argument says that and how it is set aside."""
    item_failures: Callable[[Item, int], Sequence[ItemEvent]] = no_failures
    """The item's failed attempts, the latest first and at most so many."""
    page_of: Callable[[Retry | Fix | Quarantine], str] = no_page
    """The address of the page of a retry, a fix or what was set aside; empty if the app has none."""
    retry_page: Callable[[Batch, Mapping[str, Any]], str] = no_page
    """The address where a person confirms a retry of a scope, such as {"all_failed": True}; empty if it has none."""
    confirm_retry: Callable[[HttpRequest, Batch, Sequence[int]], HttpResponse] | None = None
    """The page where a person confirms a retry of items by their ids, of which an address cannot hold as many."""


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


def record_failures(batch: Batch, failures: Sequence[Failure]) -> None:
    """Give the failed attempts of a chunk to every extension, within the chunk's transaction."""
    for extension in registered():
        extension.item_failed(batch, failures)


def notify(call: Callable[[Extension], object]) -> None:
    """Once the transaction is committed, call every extension; one that raises is logged, and disturbs no other."""

    def call_all() -> None:
        for extension in registered():
            try:
                call(extension)
            except Exception:
                logger.exception("extension %s failed after a commit", extension.name)

    transaction.on_commit(call_all)


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


def address_of(row: Retry | Fix | Quarantine) -> str:
    """The first page that an extension has of it; empty without one."""
    return next(filter(None, (extension.page_of(row) for extension in registered())), "")


def prediction_of(batch: Batch, scope: Mapping[str, Any], *, permanent: bool) -> Mapping[str, Any]:
    """The first prediction of a retry that an extension makes; empty without one."""
    return next(filter(None, (extension.predict_retry(batch, scope, permanent) for extension in registered())), {})


def retry_address(batch: Batch, scope: Mapping[str, Any]) -> str:
    """The first page that an extension has to confirm a retry of that scope; empty without one."""
    return next(filter(None, (extension.retry_page(batch, scope) for extension in registered())), "")
