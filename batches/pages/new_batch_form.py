"""The form of a new batch: its file, how to run it, and the processor's own parameters."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from django import forms

from batches import operations
from batches.clients import stays
from batches.conf import settings
from batches.exceptions import BatchConflict, BatchError, InvalidInput
from batches.intake.readers import FORMATS_TEXT
from batches.intake.readers.options import NAMES as FILE_OPTIONS
from batches.models import Batch
from batches.operations.submission import OPTIONS
from batches.pages.file_options_form import FileOptionsForm
from batches.pages.start_form import StartForm
from batches.processors import Processor
from batches.wording import quantity

LONG_TEXT_LIMIT = 1024 * 1024
EMPTY: tuple[Any, ...] = (None, "")


class NewBatchForm(FileOptionsForm, StartForm):
    """Fields named `params.x` are the processor's: taken as they were filled in, and checked by the processor's form. A
    long text may come as a file instead."""

    file = forms.FileField(label="Items", help_text=f"{FORMATS_TEXT} Nothing is stored unless every row can be read.")
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
    rate = forms.FloatField(required=False, help_text="Items a second, over all lanes. Empty: as fast as it goes.")
    priority = forms.ChoiceField(
        choices=Batch.Priority.choices,
        initial=Batch.Priority.NORMAL,
        required=False,
        help_text="Whose turn it is first among batches that wait.",
    )
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
    rate_limit_attempts = forms.IntegerField(
        required=False, min_value=1, help_text="Rate-limited tries of an item before it fails. Empty: 300."
    )
    rate_limit_seconds = forms.FloatField(
        required=False, help_text="Seconds for which an item may go on being rate-limited. Empty: a day."
    )

    advanced = (
        *FILE_OPTIONS,
        "priority",
        "concurrency",
        "checkpoint_every",
        "max_attempts",
        "item_timeout",
        "max_errors",
        "max_error_rate",
        "rate_limit_attempts",
        "rate_limit_seconds",
    )

    def __init__(self, processor: Processor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.processor = processor
        self.own = processor.params() if processor.params else forms.Form()
        self.long_texts: list[str] = []
        for name in self.own.fields:
            self._add(name)
        self.fields["checkpoint_every"].initial = processor.checkpoint_every
        self.fields["max_attempts"].initial = processor.max_attempts
        self.fields["concurrency"].initial = 1
        self.fields["item_timeout"].initial = processor.item_timeout or settings.PORTAL_ITEM_TIMEOUT

    def _add(self, name: str) -> None:
        """The processor's field, drawn as its own form would draw it."""
        field = self.own.fields[name]
        label = str(self.own[name].label)
        drawn = copy(field)
        drawn.label, drawn.initial = label, self.own.get_initial_for_field(field, name)
        drawn.clean = as_filled_in  # type: ignore[method-assign]
        self.fields[f"params.{name}"] = drawn
        if isinstance(field.widget, forms.Textarea):
            drawn.required = False
            self.long_texts.append(name)
            self.fields[f"file.{name}"] = forms.FileField(
                label=f"… or {label} from a file", required=False, help_text="Used instead of the text above."
            )

    def groups(self) -> list[tuple[str, list[forms.BoundField], bool]]:
        """(heading, fields, folded) in the order of the page."""
        own = [self[name] for name in self.fields if name.startswith(("params.", "file."))]
        basic = [self[name] for name in ("file", "name", "key_column", "rate", "start", "start_at")]
        more = [self[name] for name in ("id", *self.advanced)]
        folded = not any(field.errors for field in more)
        groups = [
            ("What to run it on", basic, False),
            (f"Parameters of {self.processor.name}", own, False),
            ("More options", more, folded),
        ]
        return [group for group in groups if group[1]]

    def wrong_fields(self) -> list[forms.BoundField]:
        """Those that have errors, in the order of the page."""
        return [field for _, fields, _ in self.groups() for field in fields if field.errors]

    def has_files_to_choose_again(self) -> bool:
        """A browser sends no file a second time by itself."""
        return bool(self.files)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        limit = settings.PORTAL_MAX_UPLOAD_MB
        if file.size > limit * 1024 * 1024:
            raise forms.ValidationError(f"The file has {file.size / 1024 / 1024:,.1f} MB; {limit:g} MB is the limit.")
        return file

    def clean(self) -> dict[str, Any]:
        """What is wrong with the parameters is shown together with what is wrong with the rest."""
        try:
            self.processor.clean_params(self.params())
        except InvalidInput as error:
            self._show(error)
        return self.cleaned_data

    def params(self) -> dict[str, Any]:
        """The processor's parameters as filled in, a file's text in place of the field's.

        What was left empty is not given, unless that takes away what the field would otherwise be.
        """
        given: dict[str, Any] = {}
        for name in self.own.fields:
            value = self.cleaned_data.get(f"params.{name}")
            upload = self.cleaned_data.get(f"file.{name}") if name in self.long_texts else None
            if upload is not None:
                value = text_of(name, upload)
            if not is_empty(value) or not is_empty(self.fields[f"params.{name}"].initial):
                given[name] = value
        return given

    def submit(self, user: Any, has_left: Callable[[], bool] = stays) -> Batch | None:
        """The stored batch, started unless it is to wait; None when it was refused, with every error at its field."""
        try:
            submission = self.submission(user, has_left)
            self.created = submission.created
            return self.started(submission.batch, user.get_username())
        except InvalidInput as error:
            self._show(error)
        except BatchError as error:
            self.add_error("id", str(error))
        return None

    def submission(self, user: Any, has_left: Callable[[], bool]) -> operations.Submission:
        """Without an id the batch gets that of this copy of the form; of a copy that was sent with another content, a
        free one."""
        data = self.cleaned_data
        arguments = {name: data[name] for name in OPTIONS if data.get(name) not in EMPTY} | {
            "processor": self.processor.name,
            "params": self.params(),
            "file": data["file"],
            "filename": data["file"].name,
            "name": data["name"],
            "key_column": data["key_column"].strip(),
            "file_options": self.file_options(),
            "actor": user.get_username(),
            "user": user,
            "has_left": has_left,
        }
        if data["id"].strip():
            return operations.submit(**arguments, batch_id=data["id"].strip())
        try:
            return operations.submit(**arguments, batch_id=self.id_of_copy(data["name"] or data["file"].name))
        except BatchConflict:
            return operations.submit(**arguments)

    def _show(self, error: InvalidInput) -> None:
        """Each message at its field; of what concerns all parameters, or no field, on top."""
        placed = False
        for place, messages in error.errors.items():
            if place in self.fields or place in ("params", "processor"):
                self.add_error(place if place in self.fields else None, messages)  # type: ignore[arg-type]
                placed = True
        if not placed:
            self.add_error("file", str(error))

    def success_message(self, batch: Batch) -> str:
        if not self.created:
            return f"{batch.pk} was submitted before with the same content: this is it."
        queued = " and queued" if batch.status != Batch.Status.PENDING else ""
        return f"{batch.pk}: {quantity(batch.total_items, 'item')} stored{queued}."


def is_empty(value: Any) -> bool:
    return all(map(is_empty, value)) if isinstance(value, (list, tuple)) else value in EMPTY


def as_filled_in(value: Any, *initial: Any) -> Any:
    """In place of a field's `clean`: the processor's form cleans it, and then its words are shown."""
    return value


def text_of(name: str, upload: Any) -> str:
    """The text of a file that was chosen instead of writing it into the field."""
    if upload.size > LONG_TEXT_LIMIT:
        message = "The parameter's file is larger than 1 MB."
        raise InvalidInput(message, {f"params.{name}": [message]})
    try:
        upload.seek(0)
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        message = "The parameter's file is not UTF-8 text."
        raise InvalidInput(message, {f"params.{name}": [message]}) from None
