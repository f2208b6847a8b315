"""The fields that say until when a group is ignored, for one group as well as for many."""

from __future__ import annotations

from typing import Any

from django import forms

MISSING = {"items": "Say how many.", "rate": "Say how much.", "date": "When?"}


class UntilFields(forms.Form):
    """A condition is chosen in the field that `condition_field` names; some conditions have a value of their own."""

    condition_field = "until"
    items = forms.IntegerField(required=False, label="Items")
    rate = forms.FloatField(required=False, label="Percent")
    date = forms.DateTimeField(
        required=False, label="Moment, in your time zone", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def clean(self) -> dict[str, Any]:
        answers: dict[str, Any] = super().clean() or self.cleaned_data
        condition = answers.get(self.condition_field)
        if condition in MISSING and answers.get(condition) is None and condition not in self.errors:
            self.add_error(condition, MISSING[condition])
        return answers

    def until_condition(self) -> dict[str, Any]:
        """The condition as the operation takes it; empty for good."""
        condition = self.cleaned_data[self.condition_field]
        if condition == "next_batch":
            return {"next_batch": True}
        if condition not in MISSING:
            return {}
        return {condition: self.cleaned_data[condition]}
