"""The rows to correct, downloaded in every format and uploaded as they are: not one value is another one."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from tests.helpers.check_rows import committed

pytestmark = committed
TEXTS = (
    some.text(alphabet=" \t\r\n\"'=+-@|＝\ufeff\u00a0019.,eE;x", max_size=6)
    | some.text(alphabet=some.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
    | some.sampled_from(["007", "1e5", "true", "null", "[1]", '{"a": 1}', "[redacted]", "'=1", "x" * 32_050, "a\r\nb"])
)
NUMBERS = (
    some.integers() | some.integers(-(2**60), 2**60) | some.floats(allow_nan=False, allow_infinity=False, width=32)
)
SCALARS = TEXTS | NUMBERS | some.booleans() | some.none()
VALUES = SCALARS | some.lists(SCALARS, max_size=3) | some.dictionaries(TEXTS, SCALARS, max_size=3)
NAMES = some.sampled_from(["a", "b", "=c", "password", "_d", "name of it", "'e"])
ROWS = some.lists(some.dictionaries(NAMES, VALUES, min_size=1), min_size=1, max_size=30)


def failed(rows: list[dict[str, Any]]) -> Batch:
    Batch.objects.filter(pk="b1").delete()
    schema = {"schema": '{"required": ["never there"]}'}
    operations.submit(processor="check_rows", params=schema, items=rows, batch_id="b1")
    operations.start("b1")
    runner.work_until_idle("b1")
    return operations.get_batch("b1")


# How a database keeps a payload shows in the format that keeps every type; how a format writes it, on any database.
# Text is what is hardest to keep apart from numbers, in a table: workbooks and documents are drawn by the seed.
MARKS = {"ndjson": [], "csv": [pytest.mark.any_database]}
LONG = [pytest.mark.any_database, pytest.mark.full]
KINDS = [pytest.param(kind, marks=MARKS.get(kind, LONG)) for kind in EXPORTERS]


@pytest.mark.full_on("sqlite")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_uploaded_as_it_was_downloaded_changes_nothing(kind: str) -> None:
    @given(rows=ROWS)
    @settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def there_and_back(rows: list[dict[str, Any]]) -> None:
        batch = failed(rows)
        before = list(Item.objects.filter(batch=batch).order_by("position").values_list("payload", flat=True))
        export_request = ExportRequest(batch, kind="fix", format=kind)
        made = operations.check_fix(
            "b1", file=io.BytesIO(b"".join(export_request.blocks())), filename=export_request.filename
        )
        told = [(one.column, one.why, one.before, one.after) for one in made.corrections.exclude(verdict="UNCHANGED")]
        assert told == []
        assert (made.unchanged, made.not_in_file) == (len(before), 0)

    there_and_back()
