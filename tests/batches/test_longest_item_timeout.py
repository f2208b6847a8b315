"""No item's time limit reaches the time after which the database ends an idle transaction."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from batches import checkpoint_manager, operations
from batches.exceptions import InvalidInput
from batches.models import Batch
from tests.helpers.batches import item, modes, statuses, submitted
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")


def test_it_has_one_bound_for_every_items_limit(settings: Any) -> None:
    settings.PORTAL_ITEM_TIMEOUT, settings.PORTAL_IDLE_SECONDS, settings.PORTAL_LEASE_SECONDS = 10.0, 20.0, 60.0
    with pytest.raises(InvalidInput, match="20 s"):
        submitted(modes("ok"), item_timeout=35.0)
    batch = submitted(modes("ok"), item_timeout=19.0)
    with pytest.raises(InvalidInput, match="20 s"):
        operations.adjust(batch.pk, item_timeout=35.0)
    operations.adjust(batch.pk, item_timeout=19.5)


def test_it_gives_ad_hoc_items_the_limit_of_the_settings(settings: Any) -> None:
    settings.PORTAL_ITEM_TIMEOUT = 0.2
    result = checkpoint_manager.resume_from_checkpoint("by-hand", ["a"], lambda item: time.sleep(5))
    assert result["failed"] == 1


def worked_on(
    batch: Batch, limits: dict[str, str], in_process: Callable[..., subprocess.Popen[str]], patched: pytest.MonkeyPatch
) -> str:
    """Run the batch in a process whose sessions have these limits; returns what that says on stderr."""
    operations.start(batch.pk)
    for name, seconds in limits.items():
        patched.setenv(name, seconds)
    source = "import sys; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"
    process = in_process(source, batch.pk)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return errors


@pytest.mark.full_on("sqlite")
def test_it_ends_an_item_before_the_database_would_end_its_transaction(
    in_process: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(modes("ok", "sleep", "ok", seconds=4), item_timeout=35.0, max_attempts=1)
    worked_on(batch, {"PORTAL_ITEM_TIMEOUT": "0.5", "PORTAL_IDLE_SECONDS": "2"}, in_process, monkeypatch)
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).code == "TIMEOUT"


@pytest.mark.full_on("sqlite")
def test_it_commits_a_chunk_before_the_database_would_end_its_transaction(
    in_process: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(modes(*["sleep"] * 4, seconds=0.8), item_timeout=1.6)
    limits = {"PORTAL_ITEM_TIMEOUT": "1.5", "PORTAL_IDLE_SECONDS": "2"}
    assert "rolled back" not in worked_on(batch, limits, in_process, monkeypatch)
    assert statuses(batch) == ["SUCCEEDED"] * 4
