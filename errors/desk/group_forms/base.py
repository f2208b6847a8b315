"""A verb upon an error group as a form: what it will do, its options, and how the group stood when it was drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from batches.pages.forms import ReasonedForm
from errors.models import BatchGroup, ErrorGroup


@dataclass(frozen=True, slots=True)
class Option:
    """One way of doing it: a radio button, and the field that belongs to it."""

    value: str
    label: str
    help: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class ShownOption:
    """An option as the page shows it, with the field that belongs to it, if one does."""

    option: Option
    field: forms.BoundField | None
    is_checked: bool


class GroupForm(ReasonedForm):
    """A verb. `seen` is how the group stood when the form was drawn: what changed since is not acted upon unseen."""

    question, button, danger = "", "", False
    undo = ""
    """The verb that takes it back."""
    options: tuple[Option, ...] = ()
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why (shown in the history)",
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, rollup: BatchGroup, data: Any = None) -> None:
        super().__init__(data, initial={"seen": seen(rollup.group)}, label_suffix="")
        self.rollup, self.group = rollup, rollup.group

    @property
    def effects(self) -> list[str]:
        """What it will do, in sentences."""
        return []

    @property
    def is_stale(self) -> bool:
        """Whether the group is not any more as it was when the form was drawn; a form without `seen` does not mind."""
        return bool(self.data.get("seen")) and self.data["seen"] != seen(self.group)

    @property
    def chosen(self) -> str:
        return str(self["how"].value() or self.options[0].value) if self.options else ""

    def shown_options(self) -> Iterator[ShownOption]:
        for option in self.options:
            field = self[option.field] if option.field else None
            yield ShownOption(option, field, option.value == self.chosen)

    @property
    def plain_fields(self) -> list[Any]:
        """Those that belong to no option."""
        taken = {option.field for option in self.options} | {"how", "seen", "reason"}
        return [self[name] for name in self.fields if name not in taken]

    def act(self, actor: str) -> str:
        """Do it; what to say of it."""
        raise NotImplementedError

    def who(self, actor: str) -> dict[str, str]:
        return {"actor": actor, "reason": self.cleaned_data["reason"]}


def seen(group: ErrorGroup) -> str:
    return f"{group.pk}.{group.state}.{group.assignee_id or ''}"


def how(*options: Option) -> forms.ChoiceField:
    return forms.ChoiceField(choices=[(option.value, option.label) for option in options], required=False)
