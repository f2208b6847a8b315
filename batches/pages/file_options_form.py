"""Fields of a form for how its file is to be read, where the portal would read it wrongly."""

from __future__ import annotations

from typing import Any

from django import forms

from batches.intake.readers.options import HELP, NAMES


class FileOptionsForm(forms.Form):
    """The options of a file; all may stay empty."""

    encoding = forms.CharField(required=False, max_length=40, help_text=HELP["encoding"])
    delimiter = forms.CharField(required=False, max_length=10, strip=False, help_text=HELP["delimiter"])
    sheet = forms.CharField(required=False, max_length=200, help_text=HELP["sheet"])
    header_row = forms.IntegerField(required=False, min_value=1, max_value=1_000_000, help_text=HELP["header_row"])
    name_columns = forms.BooleanField(label="Name columns", required=False, help_text=HELP["name_columns"])
    short_rows = forms.BooleanField(label="Short rows", required=False, help_text=HELP["short_rows"])

    def file_options(self) -> dict[str, Any]:
        """What was filled in."""
        return {name: self.cleaned_data[name] for name in NAMES if self.cleaned_data.get(name)}
