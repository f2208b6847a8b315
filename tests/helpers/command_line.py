"""`manage.py batch` within the test's own process."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command


def batch_command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of `manage.py batch` with these arguments."""
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("batch", *arguments, stdout=out, stderr=err)
    return int(str(ended.value.code)), out.getvalue(), err.getvalue()
