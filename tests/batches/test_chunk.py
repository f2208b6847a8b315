"""A chunk is one transaction, an item one savepoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from batches import operations
from batches.engine import runner
from batches.exceptions import ItemTimeout
from batches.extensions import Extension, unregister
from batches.isolation.guard import ItemGuard
from batches.isolation.savepoints import Savepoint
from batches.models import Batch, Checkpoint, IdempotencyRecord, Milestone
from errors.models import ErrorRecord
from tests.helpers.batches import item, modes, ran, statuses, submitted

pytestmark = pytest.mark.usefixtures("engine")


def test_it_gives_every_item_its_outcome_and_keeps_every_promise() -> None:
    batch = ran(modes("ok", "skip", "invalid", "error", "fail_once", "ok"))
    assert statuses(batch) == ["SUCCEEDED", "SKIPPED", "FAILED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert batch.status == "COMPLETED"
    assert operations.verify(batch.pk) == []
    assert item(batch, 0).result == {"n": 0}
    assert item(batch, 1).message == "nothing to do"
    assert (item(batch, 2).code, item(batch, 2).message) == ("PRICE", "price is negative")
    assert item(batch, 4).result == "attempt 2"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("error", "it broke"),
        ("exit", "sys.exit(3)"),
        ("interrupt", "GeneratorExit"),
        ("unprintable", "<unprintable Unprintable>"),
        ("huge_message", "xxx"),
        ("nul_message", "a\ufffdb?c"),
        ("set_result", "not JSON"),
        ("nan_result", "not JSON"),
        ("nul_result", "NUL"),
        ("surrogate_result", "surrogate"),
        ("large_result", "limit"),
        ("swallow_orm", "swallowed"),
        ("swallow_sql", "swallowed"),
        ("commit", "commit"),
        ("rollback", "roll back"),
        ("django_commit", "atomic"),
        ("commented_commit", "commit"),
        ("driver_commit", "commit"),
        ("driver_rollback", "roll back"),
        ("close", "close"),
        ("no_sql", "SELEKT"),
        ("no_column", "nothing"),
        ("no_type", ""),
    ],
)
@pytest.mark.full_on("sqlite")
def test_it_lets_a_hostile_item_cost_only_itself(mode: str, words: str) -> None:
    batch = ran(modes("ok", "ok", mode, "ok", "ok", effect=True), max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert words in item(batch, 2).message
    assert len(item(batch, 2).message) < 9_000
    effects = set(Group.objects.filter(name__startswith=f"{batch.pk}/").values_list("name", flat=True))
    assert effects == {f"{batch.pk}/{key}" for key in ("1", "2", "4", "5")}
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("mode", ["raw_commit", "raw_commit_and_fail"])
def test_it_notices_a_commit_that_slipped_through_and_never_repeats_its_item(mode: str) -> None:
    """Past Django and past the driver's guard: what was written until then stays, and is said."""
    batch = ran(modes(mode, "ok", "ok", effect=True), max_attempts=3)
    assert statuses(batch) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert "commit" in item(batch, 0).message
    assert Group.objects.filter(name=f"{batch.pk}/1").count() == 1
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("mode", ["driver_write", "copy"])
def test_it_undoes_with_a_failed_item_what_that_wrote_past_django(mode: str) -> None:
    batch = ran(modes(mode, "driver_write_kept", mode, "driver_write_kept"), max_attempts=1)
    assert statuses(batch) == ["FAILED", "SUCCEEDED"] * 2
    assert Group.objects.filter(name__startswith="by the driver").count() == 2


@pytest.mark.parametrize("times", [1, 4])
def test_it_keeps_nothing_of_an_item_when_there_is_no_memory_to_undo_it(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll_back, shortages = Savepoint.roll_back, iter([MemoryError()] * times)

    def roll_back_in_little_memory(savepoint: Savepoint) -> None:
        if shortage := next(shortages, None):
            raise shortage
        roll_back(savepoint)

    monkeypatch.setattr(Savepoint, "roll_back", roll_back_in_little_memory)
    batch = ran(modes("ok", "invalid", "ok", effect=True), max_attempts=1)
    assert statuses(batch)[::2] == ["SUCCEEDED"] * 2
    assert item(batch, 1).status == "FAILED"
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 2
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("kind", ["ok", "invalid"])
def test_it_undoes_an_item_whose_time_runs_out_at_the_door_of_its_guard(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave, alarms = ItemGuard.__exit__, iter([ItemTimeout("The item ran longer than its limit.")])

    def leave_when_the_alarm_rings(guard: ItemGuard, *raised: Any) -> None:
        if alarm := next(alarms, None):
            raise alarm
        leave(guard, *raised)

    monkeypatch.setattr(ItemGuard, "__exit__", leave_when_the_alarm_rings)
    batch = ran(modes(kind, "ok", effect=True), max_attempts=2)
    effects = Group.objects.filter(name__startswith=f"{batch.pk}/")
    assert statuses(batch) == [{"ok": "SUCCEEDED", "invalid": "FAILED"}[kind], "SUCCEEDED"]
    assert effects.count() == statuses(batch).count("SUCCEEDED")
    assert operations.verify(batch.pk) == []


def test_it_costs_the_neighbours_nothing_when_a_statement_is_no_sql() -> None:
    """PostgreSQL refuses such a message whole, and with it the savepoint that travelled along."""
    batch = ran([{"mode": mode, "effect": mode == "ok"} for mode in ("ok", "no_sql", "no_sql", "ok")], max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED"]
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 2
    assert operations.verify(batch.pk) == []


def test_it_counts_the_lines_of_a_statement_as_its_author_does() -> None:
    batch = ran(modes("no_column"), max_attempts=1)
    if connection.vendor == "postgresql":
        assert "LINE 2:  nothing FROM" in item(batch, 0).message
    assert "SAVEPOINT" not in item(batch, 0).message


def test_it_lets_an_item_survive_an_error_behind_a_savepoint_of_its_own() -> None:
    batch = ran(modes("guarded"))
    assert item(batch, 0).result == "survived"
    assert Group.objects.filter(name=f"{batch.pk}/1").count() == 1


def test_it_commits_effects_idempotency_rows_error_records_and_checkpoint_together() -> None:
    batch = ran(modes(*["ok"] * 12, "invalid", effect=True))
    lane = Checkpoint.objects.get(batch=batch)
    assert (lane.succeeded, lane.failed, lane.position, lane.sequence) == (12, 1, 12, 2)
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 12
    assert IdempotencyRecord.objects.count() == 12
    assert ErrorRecord.objects.filter(batch=batch).count() == 1


def test_it_rolls_the_whole_chunk_back_when_it_cannot_commit(hang: Callable[[Extension], None]) -> None:
    """Whatever goes wrong after the items ran, none of them happened."""
    batch = submitted(modes(*["ok"] * 5, effect=True))
    operations.start(batch.pk)

    class Broken(Exception):
        pass

    def refuse(batch: Batch, failures: object) -> None:
        raise Broken

    Group.objects.create(name=f"{batch.pk}/before")
    items = submitted(modes("ok", "invalid", effect=True))
    operations.start(items.pk)
    refusal = Extension(name="refusal", item_failed=refuse)
    hang(refusal)
    with pytest.raises(Broken):
        runner.work_slice(items.pk)
    unregister(refusal)
    assert statuses(items) == ["PENDING", "PENDING"]
    assert not Group.objects.filter(name__startswith=f"{items.pk}/").exists()
    assert not ErrorRecord.objects.filter(batch=items).exists()
    runner.work_until_idle(items.pk)
    assert statuses(items) == ["SUCCEEDED", "FAILED"]
    assert operations.verify(items.pk) == []


def test_it_finds_the_one_item_that_cannot_be_committed() -> None:
    """A deferred constraint fails at commit, when it is too late to say whose fault it was."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS test_child")
        cursor.execute(
            "CREATE TABLE test_child (id integer PRIMARY KEY, parent integer REFERENCES auth_group (id) "
            "DEFERRABLE INITIALLY DEFERRED)"
        )
    from tests import processors

    def orphan(payload: dict[str, object], context: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO test_child (id, parent) VALUES (1, 987654)")

    processors.MODES["orphan"] = orphan
    try:
        batch = ran(modes("ok", "ok", "orphan", "ok", effect=True), max_attempts=1)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE test_child")
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert "constraint" in item(batch, 2).message.lower()
    assert operations.verify(batch.pk) == []


def test_it_needs_less_than_a_round_trip_an_item(django_assert_max_num_queries: object) -> None:
    """What a no-op item costs on the wire: statements, begins and commits, over 200 items."""
    batch = submitted(modes(*["ok"] * 200))
    operations.start(batch.pk)
    counted = {"n": 0}

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        counted["n"] += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        runner.work_until_idle(batch.pk)
    begins_and_commits = 2 * math.ceil(200 / 10)
    if connection.vendor == "postgresql":
        assert (counted["n"] + begins_and_commits) / 200 <= 0.9


def test_it_reaches_each_milestone_once() -> None:
    batch = ran(modes(*["ok"] * 40))
    assert list(Milestone.objects.filter(batch=batch).values_list("milestone", flat=True)) == [25, 50, 75, 100]


def test_it_runs_an_operation_that_was_done_before_under_the_same_key_not_again() -> None:
    from batches import idempotency_manager

    batch = submitted(modes("ok", "ok", effect=True))
    key = idempotency_manager.generate_key(batch.pk, "2", "process")
    idempotency_manager.store_result(key, None, {"done": "elsewhere"})
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert item(batch, 1).result == {"done": "elsewhere"}
    assert not Group.objects.filter(name=f"{batch.pk}/2").exists()
    assert operations.verify(batch.pk) == []


def test_it_ends_an_item_at_its_timeout() -> None:
    batch = ran(modes("ok", "sleep", "ok", seconds=30), item_timeout=2, max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).code == "TIMEOUT"


def test_it_retries_what_may_pass_and_not_what_will_not() -> None:
    batch = ran(modes("fail_once", "error", "invalid"))
    assert [item(batch, n).attempts for n in range(3)] == [2, 1, 1]


def test_it_remembers_a_step_with_the_item() -> None:
    batch = ran(modes("once", "key"))
    assert item(batch, 0).result == {"attempt": 1}
    assert len(item(batch, 1).result["key"]) == 64
