"""The form of a bulk retry: how carefully the items are put back, and what is different for them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from django import forms

from batches import operations
from batches.canary_sizes import LEAST, MOST, suggested_canary
from batches.exceptions import BatchError
from batches.models import Batch
from batches.processors import param_labels_of
from errors.desk.confirm_form import TYPED_ABOVE, ConfirmForm
from errors.recovery.forecast import Forecast

CAREFUL_FIELDS = ("canary", "needed")
CANARY_HELP = f"A tenth, from {LEAST} to {MOST}, tells what may come of the rest."
FURTHER_FIELDS = ("after", "rate", "concurrency", "params")


class RetryForm(ConfirmForm):
    """How carefully failed items are put back."""

    unchanged = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    canary = forms.IntegerField(
        label="Items that go first",
        min_value=0,
        max_value=operations.LARGEST_CANARY,
        help_text=f"0: all at once. {CANARY_HELP}",
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
    max_errors = forms.IntegerField(
        required=False, min_value=0, label="Failed items that halt the batch", help_text="Empty: no limit."
    )
    max_error_rate = forms.FloatField(
        required=False, min_value=0.001, max_value=100, label="Percent that halts it", help_text="Empty: no limit."
    )
    permanent = forms.BooleanField(required=False)
    params = forms.CharField(
        required=False,
        max_length=1_000_000,
        label="Other parameters, as JSON",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )

    def __init__(self, batch: Batch, forecast: Forecast, *args: Any, **kwargs: Any) -> None:
        super().__init__(forecast.tried, *args, **kwargs)
        if forecast.tried + forecast.permanent > TYPED_ABOVE and "typed" not in self.fields:
            self.fields["typed"] = deepcopy(self.base_fields["typed"])
        expected = (forecast.predicted.mid or 0) if forecast.predicted else None
        canary, needed = suggested_canary(forecast.tried, expected, self.chosen_canary)
        self.fields["canary"].initial, self.fields["needed"].initial = canary, needed
        self.fields["concurrency"].initial = batch.concurrency
        self.fields["unchanged"].initial = forecast.permanent
        suggested = operations.suggested_budget(batch) if operations.holding_reason(batch) else {}
        for name in operations.BUDGETS:
            if name in suggested:
                self.fields[name].initial = suggested[name]
            else:
                del self.fields[name]
        self.fields["params"].help_text = params_help(batch)
        if not forecast.permanent:
            del self.fields["permanent"]
        elif not forecast.tried:
            self.fields["permanent"].initial = True

    @property
    def chosen_canary(self) -> int | None:
        """As the address asks that leads here; None: as is proposed, or as was answered."""
        chosen = self.initial.get("canary")
        return chosen if isinstance(chosen, int) else None

    @property
    def careful_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in CAREFUL_FIELDS]

    @property
    def budget_fields(self) -> list[forms.BoundField]:
        """Of a batch that its error budget holds: without another one it halts again at the next new failure."""
        return [self[name] for name in operations.BUDGETS if name in self.fields]

    @property
    def further_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in FURTHER_FIELDS]

    @property
    def shows_further_fields(self) -> bool:
        """Whether they are not folded away: one has an answer or an error."""
        answered = self.is_bound and any(name in self.changed_data or self[name].errors for name in FURTHER_FIELDS)
        return bool(answered or self["after"].value())

    @property
    def waves_text(self) -> str:
        """In which waves the items go, by the answers so far."""
        canary, needed = (number_text(self[name].value()) for name in CAREFUL_FIELDS)
        if canary in ("", "0"):
            return "All of them go at once."
        return f"{canary} go first; the rest only if at least {needed} of them recover, then a hundred, then all."

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
        answers = super().clean()
        if not self.errors:
            if answers["needed"] > answers["canary"]:
                self.add_error("needed", f"At most {answers['canary']:,}, as many as go first.")
            if not self.confirmed:
                self.add_error(None, "Nothing would be tried: tick the failures that cannot pass unchanged.")
        return answers

    def refuse(self, error: BatchError) -> None:
        """Show what the operation refused, at its field; parameters of a processor have theirs together."""
        messages_by_field = getattr(error, "errors", {})
        for name, messages in messages_by_field.items():
            field = name if name in self.fields else "params" if self.cleaned_data.get("params") else None
            self.add_error(field, messages)
        if not messages_by_field:
            self.add_error(None, str(error))

    def options(self) -> dict[str, Any]:
        """The arguments of the retry."""
        answers = self.cleaned_data
        canary = answers["canary"] if answers["canary"] < self.confirmed else 0
        return {
            "canary": canary,
            "needed": min(answers["needed"], canary),
            "rate": answers["rate"],
            "after": answers["after"] or 0,
            "permanent": bool(answers.get("permanent")),
            "params": answers["params"],
            "concurrency": answers["concurrency"],
            "budget": {name: answers[name] for name in operations.BUDGETS if name in self.fields and name in self.data},
            "reason": answers["reason"],
            "count": self.confirmed,
            "key": self.key,
        }


def params_help(batch: Batch) -> str:
    names = ", ".join(param_labels_of(batch.processor)) or "none"
    return f'Empty: the same parameters ({names}). Only what is to change, such as {{"name": "value"}}.'


def number_text(value: Any) -> str:
    """A field's value, which is text as soon as somebody has answered."""
    return f"{value:,}" if isinstance(value, int) else str(value or "").strip()
