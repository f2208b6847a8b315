"""`current_item_index` is the index of the next item: 45 after the items 0 to 44, wherever it is read."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection
from django.test import Client

from batches import checkpoint_manager, progress_tracker
from batches.exceptions import InvalidInput
from batches.models import Checkpoint
from tests.helpers.batches import modes, ran

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]

ITEMS = [f"item_{n}" for n in range(100)]


def saved_index(batch_id: str) -> int:
    checkpoint = checkpoint_manager.load_checkpoint(batch_id)
    assert checkpoint is not None
    return checkpoint.current_item_index


def test_it_resumes_at_the_index_that_was_saved_and_goes_through_the_items_in_order() -> None:
    checkpoint_manager.save_checkpoint("a", 45, ITEMS[:45], [])
    assert saved_index("a") == 45
    processed: list[str] = []
    result = checkpoint_manager.resume_from_checkpoint("a", ITEMS, processed.append)
    assert (result["resumed_from_index"], result["skipped"], processed) == (45, 45, ITEMS[45:])
    assert saved_index("a") == 100


def test_it_begins_at_the_start_where_nothing_was_saved() -> None:
    result = checkpoint_manager.resume_from_checkpoint("a", ITEMS[:3], lambda item: None)
    assert result["resumed_from_index"] == 0


def test_it_begins_with_the_first_item_that_is_left() -> None:
    checkpoint_manager.save_checkpoint("a", 20, ["item_1", "item_30"], [{"item": "item_2", "error": "no"}])
    processed: list[str] = []
    checkpoint_manager.resume_from_checkpoint("a", ITEMS[:40], processed.append)
    assert processed == [item for item in ITEMS[:40] if item not in ("item_1", "item_30")]


def test_it_knows_the_next_item_while_the_run_goes_on() -> None:
    indices: list[int] = []

    def process(item: str) -> None:
        if item in ("item_10", "item_20"):
            indices.append(saved_index("a"))

    checkpoint_manager.resume_from_checkpoint("a", ITEMS[:25], process)
    assert indices == [10, 20]


def test_it_says_the_same_over_rest_and_of_lanes_and_of_batches_with_a_processor(admin_client: Client) -> None:
    ran(modes(*["ok"] * 12), batch_id="b")
    checkpoint_manager.resume_from_checkpoint("a", ITEMS[:12], lambda item: None)
    for batch_id in ("a", "b"):
        assert saved_index(batch_id) == 12
        assert admin_client.get(f"/api/batches/{batch_id}/checkpoint").json()["current_item_index"] == 12
        progress = admin_client.get(f"/api/batches/{batch_id}/progress").json()
        assert [lane["current_item_index"] for lane in progress["lanes"]] == [12]
        assert progress["lanes"] == progress_tracker.get_progress(batch_id).to_dict()["lanes"]
        page = admin_client.get(f"/admin/batches/batch/{batch_id}/change/").content.decode()
        assert 'data-cell="position">12<' in page


def test_it_refuses_an_index_below_0() -> None:
    with pytest.raises(InvalidInput, match="current_index is -1"):
        checkpoint_manager.save_checkpoint("a", -1, [], [])


def test_it_reads_what_an_earlier_version_saved_for_a_caller() -> None:
    """Its runs left the index of the last item done; its callers' own index was kept as it was."""
    checkpoint_manager.resume_from_checkpoint("run", ITEMS[:12], lambda item: None)
    checkpoint_manager.save_checkpoint("saved", 45, ITEMS[:45], [])
    Checkpoint.objects.filter(batch="saved").update(position=45)
    migration = import_module("batches.migrations.0004_index_of_the_next_item")
    with connection.cursor() as cursor:
        cursor.execute(migration.MOVE_BACK)
    assert (saved_index("run"), saved_index("saved")) == (12, 45)
