"""The form of a new batch: its file, how to run it, and the processor's own parameters."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from batches import operations, outbound
from batches.exceptions import BatchError, InvalidInput
from batches.models import Batch, Webhook
from batches.processors import Processor

LONG_TEXT_LIMIT = 1024 * 1024
OPTIONS = ("concurrency", "checkpoint_every", "rate", "max_attempts", "item_timeout", "max_errors", "max_error_rate")


class NewBatchForm(forms.Form):
    """Fields named `params.x` are the processor's; a long text may come as a file instead."""

    file = forms.FileField(
        label="Items", help_text="CSV, TSV, JSON, NDJSON or XLSX. Nothing is stored unless every row can be read."
    )
    name = forms.CharField(required=False, max_length=200, help_text="For people; empty: the file's name.")
    id = forms.CharField(
        label="Batch id",
        required=False,
        max_length=64,
        help_text="Empty: one is made. The same id with the same content is submitted once.",
    )
    key_column = forms.CharField(
        required=False,
        max_length=200,
        help_text="The column that names a row; its values must be unique. Empty: the row's number.",
    )
    encoding = forms.CharField(required=False, max_length=40, help_text="Empty: detected.")
    rate = forms.FloatField(required=False, help_text="Items a second, over all lanes. Empty: as fast as it goes.")
    concurrency = forms.IntegerField(required=False, help_text="Lanes side by side, 1 to 64.")
    checkpoint_every = forms.IntegerField(required=False, help_text="Items a transaction, 1 to 50.")
    max_attempts = forms.IntegerField(required=False, help_text="Tries an item has when its failure may pass.")
    item_timeout = forms.FloatField(required=False, help_text="Seconds an item may run.")
    max_errors = forms.IntegerField(
        required=False, min_value=0, help_text="Halt when more items have failed. Empty: never."
    )
    max_error_rate = forms.FloatField(
        required=False, help_text="Halt when more than this percentage has failed. Empty: never."
    )
    start = forms.BooleanField(label="Start at once", required=False, initial=True)

    advanced = (
        "encoding",
        "concurrency",
        "checkpoint_every",
        "max_attempts",
        "item_timeout",
        "max_errors",
        "max_error_rate",
    )

    def __init__(self, processor: Processor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.processor = processor
        self.long_texts: list[str] = []
        for name, field in (processor.params.base_fields if processor.params else {}).items():
            self._add(name, field)
        self.fields["checkpoint_every"].initial = processor.checkpoint_every
        self.fields["max_attempts"].initial = processor.max_attempts
        self.fields["concurrency"].initial = 1
        self.fields["item_timeout"].initial = processor.item_timeout or settings.PORTAL_ITEM_TIMEOUT

    def _add(self, name: str, field: forms.Field) -> None:
        """The processor's field; validated by its own form, so not required here where a file may bring its text."""
        shown = type(field).__new__(type(field))
        shown.__dict__.update(field.__dict__)
        self.fields[f"params.{name}"] = shown
        if isinstance(field.widget, forms.Textarea):
            shown.required = False
            self.long_texts.append(name)
            self.fields[f"file.{name}"] = forms.FileField(
                label=f"… or {shown.label or name} from a file",
                required=False,
                help_text="Used instead of the text above.",
            )

    def groups(self) -> list[tuple[str, list[forms.BoundField], bool]]:
        """(heading, fields, folded) in the order of the page."""
        own = [self[name] for name in self.fields if name.startswith(("params.", "file."))]
        basic = [self[name] for name in ("file", "name", "key_column", "rate", "start")]
        more = [self[name] for name in ("id", *self.advanced)]
        folded = not any(field.errors for field in more)
        groups = [
            ("What to run it on", basic, False),
            (f"Parameters of {self.processor.name}", own, False),
            ("More options", more, folded),
        ]
        return [group for group in groups if group[1]]

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        limit = settings.PORTAL_MAX_UPLOAD_MB
        if file.size > limit * 1024 * 1024:
            raise forms.ValidationError(f"The file has {file.size / 1024 / 1024:,.1f} MB; {limit:g} MB is the limit.")
        return file

    def params(self) -> dict[str, Any]:
        """The processor's parameters as given, a file's text in place of the field's."""
        given: dict[str, Any] = {}
        for name in self.processor.params.base_fields if self.processor.params else {}:
            value = self.cleaned_data.get(f"params.{name}")
            upload = self.cleaned_data.get(f"file.{name}") if name in self.long_texts else None
            if upload is not None:
                value = text_of(upload)
            if value not in (None, ""):
                given[name] = value
        return given

    def submit(self, user: Any) -> Batch | None:
        """The stored batch, started if asked; None when it was refused, with every error at its field."""
        data = self.cleaned_data
        options = {name: data[name] for name in OPTIONS if data.get(name) is not None}
        actor = user.get_username()
        try:
            made = operations.submit(
                processor=self.processor.name,
                params=self.params(),
                file=data["file"],
                filename=data["file"].name,
                name=data["name"],
                batch_id=data["id"].strip(),
                key_column=data["key_column"].strip(),
                encoding=data["encoding"].strip(),
                actor=actor,
                user=user,
                **options,
            )
            self.created, batch = made.created, made.batch
            if data["start"] and batch.status == Batch.Status.PENDING:
                batch = operations.start(batch.pk, actor=actor)
            return batch
        except InvalidInput as error:
            self._show(error)
        except BatchError as error:
            self.add_error("id", str(error))
        return None

    def _show(self, error: InvalidInput) -> None:
        placed = False
        for field, said in error.errors.items():
            if field in self.fields:
                self.add_error(field, said)  # type: ignore[arg-type]
                placed = True
        if not placed:
            self.add_error("file", str(error))

    def said(self, batch: Batch) -> str:
        if not self.created:
            return f"{batch.pk} was submitted before with the same content: this is it."
        queued = " and queued" if batch.status != Batch.Status.PENDING else ""
        return f"{batch.pk}: {batch.total_items:,} items stored{queued}."


def text_of(upload: Any) -> str:
    if upload.size > LONG_TEXT_LIMIT:
        raise InvalidInput("The parameter's file is larger than 1 MB.")
    try:
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidInput("The parameter's file is not UTF-8 text.") from None


class ReasonedForm(forms.Form):
    """A form whose act is written to the history with its reason."""

    reason = forms.CharField(label="Why (shown in the history)", required=False, max_length=200)

    def refuse(self, error: BatchError) -> None:
        """Show what an operation refused, at the fields it named."""
        told = False
        for field, messages in getattr(error, "errors", {}).items():
            if field in self.fields:
                self.add_error(field, messages)
                told = True
        if not told:
            self.add_error(None, str(error))


class AdjustForm(ReasonedForm):
    """How a batch runs from now on."""

    concurrency = forms.IntegerField(help_text="Lanes side by side, 1 to 64.")
    rate = forms.FloatField(required=False, help_text="Items a second, over all lanes. Empty: as fast as it goes.")
    max_attempts = forms.IntegerField(help_text="Tries an item has when its failure may pass.")
    item_timeout = forms.FloatField(help_text="Seconds an item may run.")
    max_errors = forms.IntegerField(required=False, help_text="Halt when more items have failed. Empty: never.")
    max_error_rate = forms.FloatField(
        required=False, help_text="Halt when more than this percentage has failed. Empty: never."
    )
    field_order = ("concurrency", "rate", "max_attempts", "item_timeout", "max_errors", "max_error_rate", "reason")

    def changes(self) -> dict[str, Any]:
        """What differs from how the batch runs now."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in operations.ADJUSTABLE}


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

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            return outbound.checked_url(url, settings.PORTAL_OUTBOUND_HOSTS)
        except outbound.OutboundRefused as refused:
            raise forms.ValidationError(str(refused)) from None
