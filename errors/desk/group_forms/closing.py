"""How a group is closed: resolve and ignore."""

from __future__ import annotations

from typing import Any

from django import forms

from batches.exceptions import InvalidInput
from batches.models import Retry
from batches.processors import version_of
from batches.wording import quantity
from errors import groups
from errors.desk.group_forms.base import GroupForm, Option, how
from errors.desk.until_fields import UntilFields
from errors.models import BatchGroup

MOST_RETRIES = 20


class ResolveForm(GroupForm):
    """Now, from a version on, or when a bulk retry turns out clean."""

    question, button, undo = "Resolve it?", "Resolve", "reopen"
    NOW = Option("now", "Now", "An attempt that starts after this moment and fails alike makes it regress.")
    VERSION = Option(
        "version",
        "From a version of the processor on",
        "Only that version, or a later one, makes it regress; older workers do not.",
        "in_version",
    )
    RETRY = Option(
        "retry", "When a retry is clean", "It stays open until none of that retry's items fails alike.", "retry"
    )
    how = how(NOW, VERSION, RETRY)
    in_version = forms.CharField(required=False, max_length=50, label="Version")
    retry: Any = forms.ModelChoiceField(Retry.objects.none(), required=False, label="Retry")

    def __init__(self, rollup: BatchGroup, data: Any = None) -> None:
        super().__init__(rollup, data)
        latest = list(rollup.batch.retries.order_by("-number").values_list("pk", flat=True)[:MOST_RETRIES])
        self.fields["retry"].queryset = Retry.objects.filter(pk__in=latest).order_by("-number")  # type: ignore[attr-defined]
        self.fields["retry"].label_from_instance = retry_label  # type: ignore[attr-defined]
        declared = version_of(rollup.batch.processor)
        self.fields["in_version"].widget.attrs["placeholder"] = f"now {declared}" if declared else "such as 2.1"
        self.options = (self.NOW, self.VERSION, *([self.RETRY] if latest else ()))

    @property
    def effects(self) -> list[str]:
        return ["It should not come back. Nothing is retried and no item is touched by this."]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("how") == "version" and not cleaned.get("in_version"):
            self.add_error("in_version", "Say in which version.")
        if cleaned.get("how") == "retry" and not cleaned.get("retry") and "retry" not in self.errors:
            self.add_error("retry", "Choose the retry to wait for.")
        return cleaned

    def act(self, actor: str) -> str:
        if self.cleaned_data["how"] == "retry":
            retry = self.cleaned_data["retry"]
            groups.resolve_when_clean(self.group.pk, retry, **self.who(actor))
            return f"It will be resolved when retry {retry.number} is clean."
        version = self.cleaned_data["in_version"] if self.cleaned_data["how"] == "version" else ""
        groups.resolve(self.group.pk, in_version=version, **self.who(actor))
        return f"Resolved in version {version}." if version else "Resolved."


def retry_label(retry: Retry) -> str:
    return f"{retry.number}: {quantity(retry.items, 'item')}, {retry.get_state_display().split(':')[0].lower()}"


class IgnoreForm(UntilFields, GroupForm):
    """Until one condition is met, or for good."""

    question, button, undo = "Ignore it?", "Ignore", "reopen"
    condition_field = "how"
    options = (
        Option("next_batch", "Until it is in a later batch", "One that is submitted after now."),
        Option("items", "Until more items have it than", "Counted from now, over all batches.", "items"),
        Option("rate", "Until it hits more of a batch than", "Percent of a batch's items.", "rate"),
        Option("date", "Until a moment", "In your time zone.", "date"),
        Option("forever", "For good", "Until somebody reopens it."),
    )
    how = how(*options)

    @property
    def effects(self) -> list[str]:
        return ["It is known and not worth a look. Its errors go on being counted; no item is touched."]

    def clean_how(self) -> str:
        return str(self.cleaned_data["how"] or self.options[0].value)

    def act(self, actor: str) -> str:
        until = self.until_condition()
        try:
            groups.ignore(self.group.pk, until=until, **self.who(actor))
        except InvalidInput as refused:
            self.add_error(next(iter(until)), next(iter(refused.errors.values())))
            return ""
        return "Ignored."
