"""What each form that stores a new batch asks: when it starts, and which copy of the form this is."""

from __future__ import annotations

from typing import Any

from django import forms

from batches import operations
from batches.models import Batch
from batches.pages.start_field import StartField


class StartForm(forms.Form):
    """Whether the new batch starts at once, or by itself at a time; sent twice, it makes one batch."""

    start = forms.BooleanField(label="Start at once", required=False, initial=True, help_text="Unless a time is given.")
    start_at = StartField(when_empty="at once, or when a person starts it")
    once = forms.RegexField(r"\A[0-9]{8}-[0-9a-f]{6}\Z", required=False, widget=forms.HiddenInput)
    """Which copy of the form it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["once"].initial = operations.free_ending

    def id_of_copy(self, name: str) -> str:
        """The id of the batch of this copy of the form, which is the same each time it is sent; a free one where the
        sender left out which copy it is."""
        return operations.proposed_id(name, self.cleaned_data["once"])

    def started(self, batch: Batch, actor: str) -> Batch:
        """The stored batch, started unless it is to wait."""
        data = self.cleaned_data
        return operations.start_stored(batch, at_once=data["start"], at=data["start_at"], actor=actor)
