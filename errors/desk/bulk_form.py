"""The form of a verb upon many groups: what it asks for depends on the verb."""

from __future__ import annotations

from typing import Any

from django import forms

from batches import accounts
from errors.desk.confirm_form import ConfirmForm
from errors.desk.until_fields import UntilFields
from errors.rights import TRIAGE

FIELDS = {"resolve": ("in_version",), "ignore": ("until", "items", "rate", "date"), "assign": ("whom",)}
"""The fields of a verb, beside the reason."""


class BulkForm(UntilFields, ConfirmForm):
    """`groups` is how many groups are meant."""

    in_version = forms.CharField(
        required=False, max_length=50, label="From version", help_text="Empty: from now on, in any version."
    )
    until = forms.ChoiceField(
        label="Until",
        choices=[
            ("", "somebody reopens it"),
            ("next_batch", "it is in a later batch"),
            ("items", "more items have it than"),
            ("rate", "it hits more of a batch than, in percent"),
            ("date", "a moment, in your time zone"),
        ],
        required=False,
    )
    items = forms.IntegerField(required=False, min_value=1, label="Items")
    rate = forms.FloatField(required=False, min_value=0, max_value=100, label="Percent")
    whom: Any = forms.ModelChoiceField(accounts.nobody(), required=False, label="To whom", empty_label="nobody")

    def __init__(self, verb: str, groups: int, user: Any, *args: Any) -> None:
        super().__init__(groups, *args)
        names = FIELDS.get(verb, ())
        for name in {name for names in FIELDS.values() for name in names}.difference(names):
            del self.fields[name]
        if "whom" in self.fields:
            self.fields["whom"].queryset = accounts.who_may(TRIAGE)  # type: ignore[attr-defined]
            self.fields["whom"].initial = user.pk
        self.verb_fields = [self[name] for name in names]

    def verb_options(self) -> dict[str, Any]:
        """The arguments of the verb, beside its reason."""
        answers = self.cleaned_data
        if "whom" in answers:
            return {"user": answers["whom"]}
        if answers.get("in_version"):
            return {"in_version": answers["in_version"]}
        until = self.until_condition() if answers.get("until") else {}
        return {"until": until} if until else {}
