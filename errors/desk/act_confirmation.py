"""The page on which an act other than a retry is confirmed: what it will do, an example of it, and what it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django import forms

from batches.models import Batch
from errors.desk.confirm_form import ConfirmForm
from errors.desk.item_samples import ItemSample

UNFOLDED_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class ActConfirmation:
    """Everything a person should know before saying yes."""

    batch: Batch
    crumb: str
    question: str
    effects: Sequence[str]
    """What it will do, in sentences."""
    button: str
    form: ConfirmForm
    back_url: str
    fields: Sequence[forms.BoundField] = ()
    """What it asks, beside the reason and the number to be typed."""
    samples: Sequence[ItemSample] = ()
    examples: Sequence[str] = ()
    """Other rows than items that it is about, a line each, under `examples_title`."""
    examples_title: str = ""
    is_possible: bool = True
    """Whether there is anything to do."""
    notice: str = ""
    """What has changed since the page was drawn before; empty: nothing."""

    @property
    def has_few_examples(self) -> bool:
        """Whether they are shown without being asked for."""
        return len(self.examples) <= UNFOLDED_EXAMPLES

    @property
    def has_many_fields(self) -> bool:
        return len(self.fields) > 1
