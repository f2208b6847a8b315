"""How long a lane waits for other calls to end before it records those that have."""

from __future__ import annotations

from pathlib import Path

import pytest

from batches import operations
from batches.engine import in_flight_calls, runner
from tests.helpers import outside


@pytest.mark.any_database
@pytest.mark.parametrize(("lasting", "waited"), [(0.0, []), (0.005, []), (0.02, [0.001]), (60.0, [0.005])])
def test_it_waits_a_small_part_of_what_calls_take(
    lasting: float, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(in_flight_calls, "sleep", slept.append)
    in_flight_calls.gather(lasting)
    assert slept == pytest.approx(waited)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("processor", "side_by_side"), [("outside.alone", 1), ("outside.call", outside.SIDE_BY_SIDE)])
def test_it_waits_only_while_other_calls_are_out(
    processor: str, side_by_side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(in_flight_calls, "gather", waits.append)
    mode = "ok" if side_by_side == 1 else "together"
    items = [{"mode": mode, "log": str(tmp_path / "calls.log")}] * outside.SIDE_BY_SIDE
    batch = operations.submit(processor=processor, items=items, batch_id="outside", actor="ana").batch
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert bool(waits) == (side_by_side > 1)
    assert all(seconds > 0 for seconds in waits)
    assert operations.verify(batch.pk) == []
