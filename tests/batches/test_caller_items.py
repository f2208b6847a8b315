"""The items of a caller's run: as many as there are, each at its index, and each once."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from batches import adhoc, checkpoint_manager, operations
from batches.driving import item_list, item_rows, runs
from batches.driving.item_list import ItemList
from batches.exceptions import InvalidInput
from batches.models import Batch, Checkpoint, Item
from tests.helpers.waiting import PATIENCE

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]
Start = Callable[..., "subprocess.Popen[str]"]

ITEMS = [f"item_{n}" for n in range(40)]


def resumed(items: Any, process: Callable[[Any], Any] = lambda item: None, **options: Any) -> dict[str, Any]:
    return checkpoint_manager.resume_from_checkpoint("a", items, process, **options)


def rows() -> list[tuple[int, str, str]]:
    return list(Item.objects.filter(batch="a").order_by("position").values_list("position", "key", "status"))


def steps_of(act: Callable[[], Any]) -> int:
    """How much SQLite does for it, in thousands of steps of its machine."""
    steps: list[int] = []
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: steps.append(1), 1_000)
    try:
        act()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return len(steps)


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterables of more than a few items go into the temporary file."""
    monkeypatch.setattr(item_list, "IN_MEMORY", 5)
    monkeypatch.setattr(item_list, "PAGE", 7)


# -- how much it takes -------------------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.skipif("postgresql" in str(settings.DATABASES["default"]["ENGINE"]), reason="SQLite counts its steps")
def test_a_page_of_items_costs_the_same_however_many_came_before() -> None:
    batch = adhoc.batch_for("a")

    def page_after(count: int) -> int:
        rows = ((*("a", n, f"early_{n}", "{}", "SUCCEEDED", 1, 0, 0, "", "", 0, None, None),) for n in range(count))
        adhoc.insert_items(rows)
        ids = [f"item_{n}" for n in range(100)]
        steps = steps_of(lambda: item_rows.register_page(batch, count, ids))
        batch.items.all().delete()
        return steps

    assert page_after(20_000) <= 2 * page_after(100) + 2


# -- any iterable ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iterable",
    [lambda: iter(ITEMS), lambda: dict.fromkeys(ITEMS), lambda: tuple(ITEMS), lambda: list(ITEMS)],
    ids=["iterator", "dict", "tuple", "list"],
)
def test_it_takes_any_iterable(iterable: Callable[[], Any], spooled: None) -> None:
    processed: list[str] = []
    assert resumed(iterable(), processed.append)["completed"] == 40
    assert processed == ITEMS


def test_it_hands_over_the_items_themselves_in_the_types_that_they_had(spooled: None) -> None:
    items = [{"id": n, "pair": (n, {n})} for n in range(20)]
    processed: list[Any] = []
    resumed(iter(items), processed.append)
    assert processed == items


def test_it_hands_over_items_that_cannot_be_written_down(spooled: None) -> None:
    locks = [{"id": n, "lock": threading.Lock()} for n in range(20)]
    processed: list[Any] = []
    resumed(iter(locks), processed.append)
    assert [item["lock"] for item in processed] == [item["lock"] for item in locks]


@pytest.mark.any_database
@pytest.mark.parametrize(("first", "second"), [(0, 3), (2, 30), (10, 11), (8, 39)])
def test_it_refuses_an_id_that_occurs_twice_before_anything_is_written(first: int, second: int, spooled: None) -> None:
    items = [*ITEMS]
    items[second] = items[first]
    for twice in (items, iter(items)):
        with pytest.raises(InvalidInput, match=f"'item_{first}' occurs twice"):
            resumed(twice)
    assert not Batch.objects.filter(pk="a").exists()


@pytest.mark.any_database
def test_it_looks_at_each_item_a_bounded_number_of_times() -> None:
    looks = 0

    class Key:
        def __init__(self, n: int) -> None:
            self.n = n

        def __str__(self) -> str:
            nonlocal looks
            looks += 1
            return f"item_{self.n % 2_999}"

    with pytest.raises(InvalidInput, match="twice"):
        ItemList([Key(n) for n in range(3_000)])
    assert looks <= 6_000


def test_it_writes_a_bounded_number_of_statements_for_many_items(django_assert_max_num_queries: Any) -> None:
    many = [f"item_{n}" for n in range(3_000)]
    with django_assert_max_num_queries(30):
        checkpoint_manager.save_checkpoint("s", 3_000, many, [])
    with django_assert_max_num_queries(30):
        checkpoint_manager.save_checkpoint("s", 3_000, many[:1_500], [{"item": i, "error": i} for i in many[1_500:]])
    saved = checkpoint_manager.load_checkpoint("s")
    assert saved is not None
    assert [(row["item"], row["error"]) for row in saved.failed_items] == [(i, i) for i in many[1_500:]]
    assert operations.verify("s") == []
    with django_assert_max_num_queries(150):
        checkpoint_manager.save_checkpoint("s", 3_000, [], [])
    assert not Item.objects.filter(batch="s").exists()


MEMORY = """
import resource, sys
from batches import checkpoint_manager
checkpoint_manager.resume_from_checkpoint("few", (f"item_{n}" for n in range(10_000)), lambda item: None)
few = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = int(sys.argv[1])
from batches.driving import item_rows, runs
from batches.driving.item_list import ItemList
items = ItemList(f"item_{n}" for n in range(count))
runs.begun("many", {})
item_rows.register("many", items)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - few) // 1024)
"""


@pytest.mark.full
def test_it_takes_a_hundred_thousand_items_in_the_memory_of_ten_thousand(in_process: Start) -> None:
    process = in_process(MEMORY, "100000")
    grown, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert int(grown) <= 25


# -- places ------------------------------------------------------------------------------------------------------------


def test_it_gives_every_item_the_place_that_it_has_in_the_list() -> None:
    resumed(ITEMS[:6])
    processed: list[str] = []
    again = ["new_1", *reversed(ITEMS[:6]), "new_2"]
    assert resumed(again, processed.append)["skipped"] == 6
    assert processed == ["new_1", "new_2"]
    assert [key for _, key, _ in rows()] == again
    assert operations.verify("a") == []


def test_it_does_not_run_items_that_the_caller_names_no_more() -> None:
    def process(item: str) -> None:
        if item == "item_3":
            raise KeyboardInterrupt
        if item == "item_1":
            raise ValueError(item)

    with pytest.raises(KeyboardInterrupt):
        resumed(ITEMS[:8], process)
    processed: list[str] = []
    result = resumed(["item_6", "item_2"], processed.append)
    assert (processed, result["completed"], result["skipped"]) == (["item_6"], 1, 1)
    assert rows() == [
        (0, "item_6", "SUCCEEDED"),
        (1, "item_2", "SUCCEEDED"),
        (2, "item_0", "SUCCEEDED"),
        (3, "item_1", "FAILED"),
    ]
    assert operations.verify("a") == []


def test_it_puts_items_in_other_places_again_and_again() -> None:
    for items in (ITEMS[:5], ITEMS[3:8], ITEMS[1:4], ITEMS[:9]):
        resumed(items)
        assert [key for _, key, _ in rows()][: len(items)] == items
    assert operations.verify("a") == []


# -- options -----------------------------------------------------------------------------------------------------------


def test_it_saves_after_as_many_items_as_the_caller_says() -> None:
    indices: list[int] = []
    resumed(ITEMS[:9], lambda item: indices.append(runs.saved_index("a")), checkpoint_every=4)
    assert indices == [0] * 4 + [4] * 4 + [8]
    assert Checkpoint.objects.get(batch="a").sequence == 3


@pytest.mark.usefixtures("impatient")
def test_it_tries_an_item_as_often_as_the_caller_says_where_its_failure_may_pass() -> None:
    tries: list[str] = []

    def process(item: str) -> None:
        tries.append(item)
        if tries.count(item) < 3:
            raise ConnectionError("reset") if item == "item_1" else ValueError("wrong")

    result = resumed(["item_1", "item_2"], process, max_attempts=3)
    assert (result["completed"], result["failed"]) == (1, 1)
    assert sorted(tries) == ["item_1"] * 3 + ["item_2"]


def test_it_limits_an_item_to_the_time_that_the_caller_gives(settings: Any) -> None:
    threading_event = threading.Event()
    result = resumed(["item_1"], lambda item: threading_event.wait(20), item_timeout=0.2)
    assert result["failed"] == 1
    assert Item.objects.get(batch="a").code == "TIMEOUT"
    assert resumed(["item_1"])["completed"] == 1


@pytest.mark.any_database
@pytest.mark.parametrize(
    "option",
    [
        {"item_timeout": 0},
        {"item_timeout": True},
        {"item_timeout": "5"},
        {"item_timeout": 40},
        {"item_timeout": float("nan")},
        {"max_attempts": 0},
        {"max_attempts": 101},
        {"max_attempts": True},
        {"checkpoint_every": 0},
        {"checkpoint_every": 51},
        {"checkpoint_every": 2.0},
    ],
    ids=str,
)
def test_it_refuses_options_out_of_bounds_by_name(option: dict[str, Any], settings: Any) -> None:
    settings.PORTAL_IDLE_SECONDS = 40.0
    with pytest.raises(InvalidInput, match=f"{next(iter(option))} is ") as refused:
        resumed(ITEMS, **option)
    assert list(refused.value.errors) == [*option]
    assert not Batch.objects.filter(pk="a").exists()


# -- two callers -------------------------------------------------------------------------------------------------------


def test_it_counts_what_each_of_two_callers_completed() -> None:
    barrier, results = threading.Barrier(2), list[dict[str, Any]]()
    processed: list[str] = []

    def call() -> None:
        try:
            barrier.wait(PATIENCE)
            results.append(resumed(ITEMS, processed.append))
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(processed) == sorted(ITEMS)
    assert sum(result["completed"] for result in results) == 40
    assert [result["completed"] + result["skipped"] for result in results] == [40, 40]
