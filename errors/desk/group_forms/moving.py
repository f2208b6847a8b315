"""What counts where: merge and split."""

from __future__ import annotations

from typing import Any

from django import forms

from batches.wording import quantity
from errors.desk.group_forms.base import GroupForm, Option
from errors.groups import background
from errors.models import BatchGroup, RegroupJob

MOST_GROUPS = 500


class MergeForm(GroupForm):
    """Into another group of the batch."""

    question, button, undo, danger = "Merge it into another group?", "Merge", "split", True
    into = forms.ChoiceField(label="Into")

    def __init__(self, rollup: BatchGroup, data: Any = None) -> None:
        super().__init__(rollup, data)
        others = BatchGroup.objects.filter(batch=rollup.batch).exclude(group=rollup.group).select_related("group")
        self.rows = {row.group.fingerprint: row for row in others.order_by("-items", "pk")[:MOST_GROUPS]}
        self.fields["into"].choices = [("", "Choose…"), *((name, merge_label(row)) for name, row in self.rows.items())]  # type: ignore[attr-defined]

    @property
    def effects(self) -> list[str]:
        elsewhere = BatchGroup.objects.filter(group=self.group).count() - 1
        also = f", and those in {elsewhere:,} other {'batch' if elsewhere == 1 else 'batches'}," if elsewhere else ""
        errors = f"{self.rollup.errors:,} {'error' if self.rollup.errors == 1 else 'errors'}"
        return [
            f"Its {errors} here{also} count in the other group, and so does what fails like this from now on.",
            "The other group keeps its state and title. To undo it, split it out of the other group again.",
        ]

    def act(self, actor: str) -> str:
        into = self.rows[self.cleaned_data["into"]].group
        done = background.regroup("merge", self.group.pk, into.pk, **self.who(actor))
        if isinstance(done, RegroupJob):
            return in_background(self, done)
        return f"Merged into {into.title[:200]}."


def in_background(form: GroupForm, job: RegroupJob) -> str:
    """What is not done yet has nothing to undo."""
    form.undo = ""
    return f"A worker does it: each of its {quantity(job.errors, 'error')} counts as before until it has moved."


def merge_label(row: BatchGroup) -> str:
    title = str(row.group)
    short = title if len(title) <= 90 else f"{title[:90]}…"
    return f"{row.group.category}: {short} ({row.items:,} {'item' if row.items == 1 else 'items'})"


class SplitForm(GroupForm):
    """Take out what was merged into it, or make a group for every place in the code."""

    question, button, danger = "Split it?", "Split", True
    PLACE = Option(
        "place",
        "By place in the code",
        "A group for every function that it comes from, for what there is and for what is to come. It cannot be "
        "taken back at once: merge the parts again.",
    )
    how = forms.ChoiceField(required=False)

    def __init__(self, rollup: BatchGroup, data: Any = None) -> None:
        super().__init__(rollup, data)
        self.merged = {group.fingerprint: group for group in rollup.group.merged.order_by("pk")}
        taken_out = [
            Option(name, f"Take out: {str(group)[:120]}", "It stays out until it is merged again.")
            for name, group in self.merged.items()
        ]
        self.options = tuple(taken_out) or (self.PLACE,)
        self.fields["how"].choices = [(option.value, option.label) for option in self.options]  # type: ignore[attr-defined]

    @property
    def effects(self) -> list[str]:
        return ["Errors move with their counters; no item is touched, and no error is lost."]

    def act(self, actor: str) -> str:
        chosen = self.cleaned_data["how"] or self.options[0].value
        if chosen == self.PLACE.value:
            parts = background.regroup("split_by_place", self.group.pk, **self.who(actor))
            if isinstance(parts, RegroupJob):
                return in_background(self, parts)
            return f"Split by place in the code: {len(parts):,} {'group' if len(parts) == 1 else 'groups'}."
        out = self.merged[chosen]
        done = background.regroup("split", self.group.pk, out.pk, **self.who(actor))
        if isinstance(done, RegroupJob):
            return in_background(self, done)
        return f"Taken out: {out.title[:200]}."
