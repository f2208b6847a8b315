"""The forms of what is done to a batch that is there."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from batches import operations, outbound
from batches.conf import settings
from batches.exceptions import BatchError
from batches.models import Batch, Webhook
from batches.pages.start_field import StartField
from batches.pages.start_form import StartForm
from batches.reader_zone import known_zones


class ReasonedForm(forms.Form):
    """A form whose act is written to the history with its reason."""

    reason = forms.CharField(label="Why (shown in the history)", required=False, max_length=200)

    def refuse(self, error: BatchError) -> None:
        """Show what an operation refused, at the fields it named."""
        placed = False
        for field, messages in getattr(error, "errors", {}).items():
            if field in self.fields:
                self.add_error(field, messages)
                placed = True
        if not placed:
            self.add_error(None, str(error))


class AdjustForm(ReasonedForm):
    """How a batch runs from now on."""

    concurrency = forms.IntegerField(help_text="Lanes side by side, 1 to 64.")
    rate = forms.FloatField(required=False, help_text="Items a second, over all lanes. Empty: as fast as it goes.")
    priority = forms.ChoiceField(
        choices=Batch.Priority.choices, help_text="Whose turn it is first among batches that wait."
    )
    max_attempts = forms.IntegerField(help_text="Tries an item has when its failure may pass.")
    item_timeout = forms.FloatField(help_text="Seconds an item may run.")
    max_errors = forms.IntegerField(required=False, help_text="Halt when more items have failed. Empty: never.")
    max_error_rate = forms.FloatField(
        required=False, help_text="Halt when more than this percentage has failed. Empty: never."
    )
    rate_limit_attempts = forms.IntegerField(
        help_text="Rate-limited tries of an item, which do not count as attempts, before it fails."
    )
    rate_limit_seconds = forms.FloatField(
        help_text="Seconds for which an item may go on being rate-limited before it fails."
    )
    start_at = StartField()
    field_order = (*operations.ADJUSTABLE, "reason")

    def __init__(self, batch: Batch, data: Any = None) -> None:
        super().__init__(data, initial={name: getattr(batch, name) for name in operations.ADJUSTABLE})
        if batch.status != Batch.Status.PENDING:
            del self.fields["start_at"]

    def changes(self) -> dict[str, Any]:
        """What differs from how the batch runs now."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in operations.ADJUSTABLE}


class BudgetForm(ReasonedForm):
    """With which error budget a halted batch goes on: a field for each limit that it has."""

    max_errors = forms.IntegerField(
        required=False, min_value=0, label="Failed items that halt it again", help_text="Empty: no limit."
    )
    max_error_rate = forms.FloatField(
        required=False,
        min_value=0.001,
        max_value=100,
        label="Percent that halts it again",
        help_text="Empty: no limit.",
    )
    field_order = (*operations.BUDGETS, "reason")

    def __init__(self, batch: Batch, data: Any = None) -> None:
        suggested = operations.suggested_budget(batch)
        super().__init__(data, initial=suggested)
        for name in set(operations.BUDGETS) - suggested.keys():
            del self.fields[name]

    def budget(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in operations.BUDGETS if name in self.fields}


class LongSelect(forms.Select):
    """For hundreds of options, each of which is a template of its own in Django's."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = "" if value is None else str(value)
        rows = ((key, SafeString(" selected") if key == chosen else "", label) for key, label in self.choices)
        options = format_html_join("\n", '<option value="{}"{}>{}</option>', rows)
        return format_html("<select{}>{}</select>", flatatt(self.build_attrs({"name": name}, attrs)), options)


class ZoneForm(forms.Form):
    """The zone in which a person reads the moments of every page."""

    zone = forms.ChoiceField(
        required=False, label="Time zone", help_text="Of every moment on every page.", widget=LongSelect
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = [(name, name.replace("_", " ")) for name in sorted(known_zones())]
        self.fields["zone"].choices = [("", "the browser's"), *named]  # type: ignore[attr-defined]


class RunAgainForm(StartForm):
    """What of the new batch may be another than of the one it follows."""

    name = forms.CharField(required=False, max_length=200, help_text="For people; empty: as before.")
    field_order = ("name", "start", "start_at")

    def run_again(self, batch: Batch, user: Any) -> Batch:
        """The new batch, started unless it is to wait; raises what the operation refuses."""
        name, actor = self.cleaned_data["name"], user.get_username()
        submission = operations.run_again(
            batch.pk,
            new_id=self.id_of_copy(name or batch.name or batch.pk),
            name=name,
            start_at=self.cleaned_data["start_at"],
            actor=actor,
            user=user,
        )
        return self.started(submission.batch, actor)


class DecideForm(ReasonedForm):
    """What became of a call whose outcome is unknown."""

    outcome = forms.ChoiceField(
        choices=[("succeeded", "It was done: count it as succeeded"), ("failed", "It was not: leave it failed")],
        widget=forms.RadioSelect,
        label="What does the receiver say?",
    )
    field_order = ("outcome", "reason")


class RehearseForm(forms.Form):
    """What to rehearse."""

    sample = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=operations.LARGEST_SAMPLE,
        label="Items, chosen at random",
        help_text="Empty: all that would run.",
    )


class WebhookForm(forms.ModelForm):
    """Where to send to, checked against the allow-list when it is typed; the secret is made by the portal."""

    class Meta:
        model = Webhook
        fields = ("url", "active")
        field_classes = {"url": partial(forms.URLField, assume_scheme="https")}

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            return outbound.checked_url(url, settings.PORTAL_OUTBOUND_HOSTS)
        except outbound.OutboundRefused as refused:
            raise forms.ValidationError(str(refused)) from None
