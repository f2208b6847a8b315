"""The field for the time at which a batch starts by itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone


class StartField(forms.DateTimeField):
    """A time in the reader's zone, which its help names, with what happens `when_empty`."""

    def __init__(self, when_empty: str = "a person starts it", **kwargs: Any) -> None:
        self.when_empty = when_empty
        widget = forms.DateTimeInput({"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
        super().__init__(label="Start by itself at", required=False, widget=widget, **kwargs)

    def get_bound_field(self, form: Any, field_name: str) -> forms.BoundField:
        self.help_text = f"In the zone {timezone.get_current_timezone_name()}. Empty: {self.when_empty}."
        return super().get_bound_field(form, field_name)
