"""The forms of fix and resubmit: the upload of a corrected file, and how it is applied."""

from __future__ import annotations

from typing import Any

from django import forms

from batches import operations
from batches.canary_sizes import canary_of
from batches.exceptions import BatchError
from batches.intake.readers import READERS
from batches.intake.readers.options import NAMES
from batches.intake.readers.packed import FRAMES
from batches.models import Batch, Fix
from batches.pages.file_options_form import FileOptionsForm


class UploadForm(FileOptionsForm):
    """The corrected file."""

    file = forms.FileField(
        label="The corrected file",
        widget=forms.ClearableFileInput(attrs={"accept": ",".join((*READERS, *FRAMES))}),
    )

    as_written = forms.BooleanField(
        label="As written",
        required=False,
        help_text="Take cells in the form a spreadsheet gave them: 12/5/2026 for a stored 2026-12-05.",
    )

    def __init__(self, batch: Batch, *args: Any) -> None:
        super().__init__(*args)
        self.batch = batch

    def reading(self) -> list[forms.BoundField]:
        """The fields that say how the file is to be read."""
        return [self[name] for name in (*NAMES, "as_written")]

    def is_read_otherwise(self) -> bool:
        return any(field.value() for field in self.reading())

    def check_file(self, actor: str) -> Fix | None:
        """The stored check; None when the file was refused, with the reason at its field."""
        if not self.is_valid():
            return None
        file, options = self.cleaned_data["file"], self.file_options()
        try:
            return operations.check_fix(
                self.batch.pk,
                file=file.file,
                filename=file.name,
                file_options=options,
                actor=actor,
                as_written=self.cleaned_data["as_written"],
            )
        except BatchError as error:
            self.add_error("file", str(error))
            return None


class ApplyForm(forms.Form):
    """How to apply it; only what there is something to decide about is asked."""

    CHOICES = ("leave_out", "retry_unchanged", "canary")

    leave_out = forms.BooleanField(required=False)
    retry_unchanged = forms.BooleanField(required=False)
    canary = forms.BooleanField(required=False)
    reason = forms.CharField(
        label="Why (shown in the history)",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, fix: Fix, *args: Any) -> None:
        super().__init__(*args)
        self.describe_choices(fix)

    def describe_choices(self, fix: Fix) -> None:
        """Name the choices after the fix as it stands now; those that decide nothing are not asked."""
        self.first = canary_of(fix.changed)
        for name, label, is_asked in (
            ("leave_out", f"Leave out the {fix.refused:,} refused, apply the others", fix.refused),
            ("retry_unchanged", f"Run the {fix.unchanged:,} unchanged again, too", fix.unchanged),
            ("canary", f"{self.first} go first; the others only if one of them recovers", fix.changed > self.first),
        ):
            self.fields[name].label = label
            self.fields[name].disabled = not is_asked

    @property
    def choices(self) -> list[forms.BoundField]:
        return [self[name] for name in self.CHOICES if not self.fields[name].disabled]

    def options(self) -> dict[str, Any]:
        """The arguments of the operation."""
        answers = self.cleaned_data
        canary = self.first if answers["canary"] else 0
        return {name: answers[name] for name in ("leave_out", "retry_unchanged", "reason")} | {"canary": canary}
