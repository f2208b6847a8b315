"""The forms of acts upon failures. What was confirmed is in them: the number of items, and a token for each page."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any
from uuid import uuid4

from django import forms

from batches import operations
from batches.models import Batch
from batches.processors import param_labels_of
from errors.recovery.forecast import Forecast

TYPED_ABOVE = 1_000
CANARY, NEEDED = operations.DEFAULT_CANARY, 16
UNCONFIRMED = ("count", "unchanged", "token", "typed")


def page_key(token: str) -> str:
    """Under which an act is known that a page has begun."""
    return f"page {token}"[:100]


class ConfirmForm(forms.Form):
    """An act on many items: above a thousand the number has to be typed."""

    count = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    token = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    typed = forms.CharField(required=False, max_length=20, label="Type the number of items to confirm")
    reason = forms.CharField(label="Why (shown in the history)", required=False, max_length=200)

    def __init__(self, items: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meant = items
        if items <= TYPED_ABOVE:
            del self.fields["typed"]
        self.fields["count"].initial, self.fields["token"].initial = items, uuid4().hex

    @property
    def confirmed(self) -> int:
        """How many items the person said yes to."""
        return int(self.cleaned_data["count"])

    def clean_typed(self) -> str:
        return str(self.cleaned_data["typed"]).replace(",", "").replace(" ", "").strip()

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if "typed" in self.fields and not self.errors and said.get("typed") != str(self.confirmed):
            self.add_error("typed", f"Type {self.confirmed:,} to confirm.")
        return said

    def answers(self) -> dict[str, Any]:
        """What was answered, but for what was confirmed: that has to be confirmed anew."""
        return {name: value for name, value in self.data.items() if name not in UNCONFIRMED}


class RetryForm(ConfirmForm):
    """How carefully failed items are put back."""

    unchanged = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    canary = forms.IntegerField(
        label="Items that go first", min_value=0, max_value=operations.LARGEST_CANARY, help_text="0: all at once."
    )
    needed = forms.IntegerField(
        label="So many of them must recover",
        min_value=0,
        max_value=operations.LARGEST_CANARY,
        help_text="With fewer, the rest stays failed until somebody decides.",
    )
    rate = forms.FloatField(
        required=False, min_value=0.001, max_value=1_000_000, label="Items a second", help_text="Empty: as the batch."
    )
    after = forms.FloatField(
        required=False,
        min_value=0,
        max_value=operations.LONGEST_WAIT,
        label="Seconds to wait first",
        help_text="None of them runs earlier; empty: they run at once.",
    )
    concurrency = forms.IntegerField(
        min_value=1, max_value=64, label="Lanes side by side", help_text="Until the retry is over."
    )
    permanent = forms.BooleanField(required=False)
    params = forms.CharField(
        required=False,
        max_length=1_000_000,
        label="Other parameters, as JSON",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )

    def __init__(self, batch: Batch, found: Forecast, *args: Any, **kwargs: Any) -> None:
        self.batch, self.found = batch, found
        super().__init__(found.tried, *args, **kwargs)
        if found.tried + found.permanent > TYPED_ABOVE and "typed" not in self.fields:
            self.fields["typed"] = deepcopy(self.base_fields["typed"])
        canary, needed = suggested(found)
        initial = {"canary": canary, "needed": needed, "concurrency": batch.concurrency, "unchanged": found.permanent}
        for name, value in initial.items():
            self.fields[name].initial = value
        self.fields["params"].help_text = known_params(batch)
        if not found.permanent:
            del self.fields["permanent"]
        elif not found.tried:
            self.fields["permanent"].initial = True

    @property
    def confirmed(self) -> int:
        more = self.cleaned_data.get("unchanged") if self.cleaned_data.get("permanent") else 0
        return int(self.cleaned_data["count"]) + int(more or 0)

    def clean_params(self) -> dict[str, Any] | None:
        text = self.cleaned_data["params"].strip()
        if not text:
            return None
        try:
            value = json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"Not JSON: {error}") from None
        if not isinstance(value, dict):
            raise forms.ValidationError('Write an object, such as {"limit": 5}.')
        return value

    def clean(self) -> dict[str, Any]:
        said = super().clean()
        if not self.errors:
            if said["needed"] > said["canary"]:
                self.add_error("needed", f"At most {said['canary']:,}, as many as go first.")
            if not self.confirmed:
                self.add_error(None, "Nothing would be tried: tick the failures that cannot pass unchanged.")
        return said

    def asked(self) -> dict[str, Any]:
        """The arguments of the retry."""
        said = self.cleaned_data
        canary = said["canary"] if said["canary"] < self.confirmed else 0
        return {
            "canary": canary,
            "needed": min(said["needed"], canary),
            "rate": said["rate"],
            "after": said["after"] or 0,
            "permanent": bool(said.get("permanent")),
            "params": said["params"],
            "concurrency": said["concurrency"],
            "reason": said["reason"],
            "count": self.confirmed,
            "key": page_key(said["token"]),
        }


def suggested(found: Forecast) -> tuple[int, int]:
    """Twenty first, of which sixteen must recover; fewer as less than all are expected."""
    if found.tried <= CANARY:
        return 0, 0
    share = found.predicted.mid / found.tried if found.predicted else 1.0
    return CANARY, max(2, int(NEEDED * share))


def known_params(batch: Batch) -> str:
    names = ", ".join(param_labels_of(batch.processor)) or "none"
    return f'Empty: the same parameters ({names}). Only what is to change, such as {{"name": "value"}}.'


class ThenForm(ConfirmForm):
    """A change of settings that a retry may follow."""

    then = forms.ChoiceField(
        choices=[
            ("retry", f"Then try {CANARY} of the items, and the rest if they recover"),
            ("nothing", "Only change it: nothing is retried"),
        ],
        label="Then",
        initial="retry",
    )


class AsideForm(ConfirmForm):
    """Items that are to be set aside."""
