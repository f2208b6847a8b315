"""The form of a verb upon many groups: what it asks for depends on the verb."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django import forms
from django.contrib.auth.models import User

from errors.desk.forms import ConfirmForm
from errors.rights import TRIAGE

ASKS = {"resolve": ("in_version",), "ignore": ("until", "items", "rate", "date"), "assign": ("whom",)}


class BulkForm(ConfirmForm):
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
            ("date", "a moment, in UTC"),
        ],
        required=False,
    )
    items = forms.IntegerField(required=False, min_value=1, label="Items")
    rate = forms.FloatField(required=False, min_value=0, max_value=100, label="Percent")
    date = forms.DateTimeField(
        required=False, label="Moment, in UTC", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    whom: Any = forms.ModelChoiceField(User.objects.none(), required=False, label="To whom", empty_label="nobody")

    def __init__(self, verb: str, items: int, user: Any, *args: Any) -> None:
        super().__init__(items, *args)
        asks = ASKS.get(verb, ())
        for name in [name for names in ASKS.values() for name in names if name not in asks]:
            del self.fields[name]
        if "whom" in self.fields:
            able = User.objects.with_perm(TRIAGE, backend="django.contrib.auth.backends.ModelBackend")
            self.fields["whom"].queryset = able.filter(is_active=True).order_by("username")  # type: ignore[attr-defined]
            self.fields["whom"].initial = user.pk
        self.asks = [self[name] for name in asks]

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        name = said.get("until")
        if name in ("items", "rate", "date") and said.get(name) is None and name not in self.errors:
            self.add_error(name, "When?" if name == "date" else "Say how many.")
        return said

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        data = self.cleaned_data
        if "whom" in data:
            return {"user": data["whom"]}
        if data.get("in_version"):
            return {"in_version": data["in_version"]}
        name = data.get("until")
        if not name:
            return {}
        value: Any = True if name == "next_batch" else data[name]
        return {"until": {name: value.replace(tzinfo=UTC) if name == "date" else value}}
