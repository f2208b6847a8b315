"""Which batches the overview looks at first, and how many it leaves out."""

from __future__ import annotations

import pytest

from batches.models import Batch
from errors.desk import overview
from tests.helpers.batches import modes, ran

pytestmark = pytest.mark.usefixtures("engine")


def test_it_shows_what_stopped_first_then_what_fails_and_counts_the_rest_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "BATCHES_SHOWN", 3)
    for name in ("fails-1", "fails-2", "halted-and-fails", "fails-3"):
        ran(modes("error"), max_attempts=1, batch_id=name)
    for name in ("clean", "halted"):
        ran(modes("ok"), batch_id=name)
    Batch.objects.filter(pk__startswith="halted").update(status=Batch.Status.HALTED)

    shown = overview.overview({})
    assert [row.batch.pk for row in shown.batches] == ["halted", "halted-and-fails", "fails-3"]
    assert shown.more_batches == 2

    monkeypatch.setattr(overview, "BATCHES_SHOWN", 1)
    shown = overview.overview({})
    assert [row.batch.pk for row in shown.batches] == ["halted"]
    assert shown.more_batches == 4
