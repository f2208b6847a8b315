"""The forms on which acts upon failures are confirmed: they carry what was confirmed, and a token of their page."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms

from batches import operations
from batches.pages.forms import ReasonedForm

TYPED_ABOVE = 1_000
UNCONFIRMED = ("count", "unchanged", "token", "typed")
"""Answers that hold for one page only: what changed meanwhile has to be confirmed anew."""


def page_key(token: str) -> str:
    """The key under which an act is stored that a page has begun."""
    return f"page {token}"[:100]


class ConfirmForm(ReasonedForm):
    """An act upon many items: above a thousand their number has to be typed."""

    count = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    token = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    typed = forms.CharField(required=False, max_length=20, label="Type the number of items to confirm")
    field_order = ("count", "token", "typed", "reason")

    def __init__(self, items: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if items <= TYPED_ABOVE:
            del self.fields["typed"]
        self.fields["count"].initial, self.fields["token"].initial = items, uuid4().hex

    @property
    def confirmed(self) -> int:
        """How many items the person said yes to."""
        return int(self.cleaned_data["count"])

    @property
    def key(self) -> str:
        """The same for every press of the page's button."""
        return page_key(self.cleaned_data["token"])

    def clean_typed(self) -> str:
        return str(self.cleaned_data["typed"]).replace(",", "").replace(" ", "").strip()

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if "typed" in self.fields and not self.errors and answers.get("typed") != str(self.confirmed):
            self.add_error("typed", f"Type {self.confirmed:,} to confirm.")
        return answers

    def answers(self) -> dict[str, Any]:
        """What was answered, as the initial answers of a page that has to be confirmed anew."""
        return {name: value for name, value in self.data.items() if name not in UNCONFIRMED}


class ThenForm(ConfirmForm):
    """A change of settings that a retry may follow."""

    then = forms.ChoiceField(
        choices=[
            ("retry", f"Then try {operations.DEFAULT_CANARY} of the items, and the rest if they recover"),
            ("nothing", "Only change it: nothing is retried"),
        ],
        label="Then",
        initial="retry",
    )
