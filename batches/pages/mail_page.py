"""The page "Mail to you": what a person watches, and whether its mail comes at once or as a digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from batches import accounts, operations, processors
from batches.models import Batch, Watch
from batches.progress_text import standings_of

SHOWN_BATCHES = 100


class MailForm(forms.Form):
    """When mail comes: at once, or as one digest a day."""

    hour = forms.TypedChoiceField(
        label="Mail comes",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[
            ("", "at once, each message by itself"),
            *((h, f"as one digest a day, at {h:02}:00") for h in range(24)),
        ],
    )

    def __init__(self, user: Any, data: Any = None) -> None:
        preference = operations.mail_preference(user)
        super().__init__(data, initial={"hour": preference.digest_hour})
        zone = preference.zone or timezone.get_current_timezone_name()
        self.fields["hour"].help_text = f"In the zone {zone}. A day without messages has no digest."

    def choose(self, user: Any) -> str:
        """Keep it; returns what is so from now on."""
        hour = self.cleaned_data["hour"]
        operations.choose_digest(user, hour, timezone.get_current_timezone_name())
        return "Mail comes at once." if hour is None else f"Mail comes as one digest a day, at {hour:02}:00."


@dataclass(frozen=True, slots=True)
class ProcessorRow:
    """A processor, and whether the person watches it; one that is gone stands there only while it is watched."""

    name: str
    is_watched: bool
    is_gone: bool


@dataclass(frozen=True, slots=True)
class WatchedBatch:
    batch: Batch
    status_text: str


@dataclass(frozen=True, slots=True)
class MailPage:
    address: str
    form: MailForm
    next_digest: datetime | None
    everything: bool
    processors: Sequence[ProcessorRow]
    batches: Sequence[WatchedBatch]
    """Those that are watched by themselves, the latest first."""
    hidden_batches: int
    watches: int
    """How many watches there are of all kinds."""


def mail_page(user: Any, form: MailForm) -> MailPage:
    standing = operations.standing_watches(user)
    watched = Watch.objects.filter(user_id=user.pk)
    latest, total = watched.select_related("batch").order_by("-pk")[:SHOWN_BATCHES], watched.count()
    batches = [watch.batch for watch in latest]
    standings = standings_of(batches)
    return MailPage(
        address=accounts.mail_address(user),
        form=form,
        next_digest=operations.mail_preference(user).digest_at,
        everything=operations.EVERYTHING in standing,
        processors=processor_rows({name for name in standing if name != operations.EVERYTHING}),
        batches=[WatchedBatch(batch, standings[batch.pk].label) for batch in batches],
        hidden_batches=total - len(batches),
        watches=total + len(standing),
    )


def processor_rows(watched: set[str]) -> list[ProcessorRow]:
    there = {processor.name for processor in processors.all_processors()}
    return [ProcessorRow(name, name in watched, name not in there) for name in sorted(there | watched)]


def unwatched_text(batch: Batch, standing: Sequence[str]) -> str:
    """What a person who watches a batch no longer is mailed about it still."""
    if operations.EVERYTHING in standing:
        return f"{batch} is watched no longer by itself. You watch every batch: its end or halt is mailed all the same."
    if batch.processor in standing:
        return f"{batch} is watched no longer by itself. You watch {batch.processor}: its end or halt is mailed."
    return f"No more mail about {batch}."
