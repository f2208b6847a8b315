"""The page of one bulk retry: how far it is, what became of its items, and the items behind each number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from batches.lifecycle.retry_states import legal_verbs
from batches.models import Batch, RetriedItem, Retry
from batches.moments import moment
from batches.pages.markup import pill
from batches.redaction import redact_text
from batches.wording import quantity
from errors.desk.holding import Hold, hold_of
from errors.desk.paging import Keyset, Pager, integer, pager
from errors.desk.predictions import interval_text
from errors.desk.retry_list import retry_pill
from errors.desk.retry_outcome import (
    FATES,
    Bar,
    FateCount,
    GroupBeforeAfter,
    Wave,
    bar,
    fate_counts,
    groups_before_after,
    waves,
)
from errors.recovery.outcomes import held
from errors.recovery.scope_text import describe_scope

Fate, State = RetriedItem.Fate, Retry.State
ITEMS_A_PAGE = 50
MESSAGE_LENGTH = 200
BY_POSITION = Keyset((integer("item__position"),))
BUTTONS = {"pause": ("Pause", ""), "resume": ("Resume", "bp-primary"), "cancel": ("Cancel the rest", "bp-danger")}


@dataclass(frozen=True, slots=True)
class Button:
    """A verb that is legal now; `style` is the button's class."""

    verb: str
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class RetriedRow:
    """One item of the retry and what became of it."""

    retried: RetriedItem
    label: str
    message: str


@dataclass(frozen=True, slots=True)
class RetryPage:
    """A retry as its page shows it."""

    batch: Batch
    retry: Retry
    which: str
    sentence: str
    outcome: Mapping[str, int]
    fates: list[FateCount]
    bar: Bar
    waves: list[Wave]
    skipped_because: list[Mapping[str, Any]]
    """`n` items skipped and `why`, the most frequent reason first."""
    groups: list[GroupBeforeAfter]
    fate: str
    """The fate whose items are listed; empty for all."""
    items: list[RetriedRow]
    pager: Pager
    hold: Hold | None
    """What holds it with its batch: it goes on as soon as that does."""

    @property
    def pill(self) -> SafeString:
        return pill("HALTED", "Held") if self.hold else retry_pill(self.retry)

    @property
    def predicted(self) -> str:
        return interval_text(self.retry.predicted)

    @property
    def is_as_predicted(self) -> bool | None:
        """Whether what recovered lies within the prediction; None while nobody can know."""
        return held(self.retry.predicted, self.outcome) if self.retry.state == State.DONE else None

    @property
    def items_title(self) -> str:
        return FATES[self.fate][0] if self.fate else "All its items"

    @property
    def buttons(self) -> list[Button]:
        return [Button(verb, *BUTTONS[verb]) for verb in legal_verbs(self.retry)]

    @property
    def is_under_way(self) -> bool:
        return self.retry.state in Retry.UNDER_WAY and self.batch.status in Batch.ACTIVE

    @property
    def is_over(self) -> bool:
        return self.retry.state not in Retry.OPEN

    @property
    def fix_url(self) -> str:
        """The correction that it retries; empty for a retry of items as they are."""
        if self.retry.kind != Retry.Kind.FIX:
            return ""
        return reverse("admin:errors_fix", args=[self.batch.pk, self.retry.scope["fix"]])


def retry_page(retry: Retry, fate: str, after: str) -> RetryPage:
    """The retry with the items of one fate, or of all for an unknown one, behind the position `after`."""
    outcome, fate = retry.outcome(), fate if fate in FATES else ""
    rows = retry.retried.select_related("item").filter(FATES[fate][1] if fate else Q())
    items, following = BY_POSITION.page(rows, after, ITEMS_A_PAGE)
    skipped = retry.retried.filter(fate=Fate.SKIPPED).values("why").annotate(n=Count("pk")).order_by("-n")
    return RetryPage(
        batch=retry.batch,
        retry=retry,
        which=describe_scope(retry.batch, retry.scope),
        sentence=sentence(retry, outcome),
        outcome=outcome,
        fates=fate_counts(retry, outcome),
        bar=bar(retry, outcome),
        waves=waves(retry, outcome),
        skipped_because=list(skipped),
        groups=groups_before_after(retry),
        fate=fate,
        items=[item_row(row) for row in items],
        hold=hold_of(retry.batch) if retry.state in Retry.UNDER_WAY else None,
        pager=pager("items", urlencode({"fate": fate}) if fate else "", after, following, anchor="#items"),
    )


def sentence(retry: Retry, outcome: Mapping[str, int]) -> str:
    """The retry's state, for a person who was just woken."""
    items, tried = quantity(retry.items, "item"), retry.items - outcome["waiting"]
    so_far = f"{outcome['recovered']:,} of {tried:,} tried recovered" if tried > 0 else "None was tried yet"
    waiting = quantity(outcome["waiting"], "item")
    if retry.state in Retry.RELEASING and retry.not_before is not None and retry.not_before > timezone.now():
        return f"Waiting: none of {items} runs before {moment(retry.not_before)}. {so_far}."
    if retry.state == State.PREPARING:
        first = f"the first {retry.canary:,} go" if retry.canary else "they go"
        return f"Preparing: which {items} it means is being written down; then {first}."
    sentences: dict[str, str] = {
        State.CANARY: f"The canary is out: {retry.canary:,} of {items} go first. {so_far}.",
        State.RUNNING: f"{so_far}; {waiting} to go.",
        State.HELD: f"Held: {retry.note}",
        State.PAUSED: f"Paused: {so_far}; {waiting} wait, failed as they were, until it is resumed.",
        State.CANCELLED: f"Cancelled: {so_far}; {waiting} stay as they were.",
    }
    failed = f"{outcome['failed_again']:,}" if outcome["failed_again"] else "none"
    return sentences.get(retry.state, f"Done: {outcome['recovered']:,} of {items} recovered, {failed} failed again.")


def item_row(row: RetriedItem) -> RetriedRow:
    name = RetriedItem.names(row.fate, row.item.status)[-1]
    message = row.why or redact_text(row.item.message, row.item.payload)[:MESSAGE_LENGTH]
    return RetriedRow(row, FATES[name][0], message)
