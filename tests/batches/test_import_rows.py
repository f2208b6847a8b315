"""Rows into a table of this database, by key: effects exactly once, every fault of a row named."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from batches import operations
from batches.checks import import_models
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from tests.helpers.batches import statuses

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    fields = ("username", "email", "first_name", "last_name", "is_active", "date_joined")
    settings.PORTAL_IMPORT_MODELS = [*(f"auth.User.{field}" for field in fields), "auth.Group.name"]


def ran(items: list[dict[str, Any]], **params: Any) -> Batch:
    given = {"model": "auth.User", "key_field": "username", **params}
    batch = operations.submit(processor="import_rows", params=given, items=items, batch_id="people").batch
    operations.start("people")
    runner.work_until_idle("people")
    assert operations.verify("people") == []
    return batch


def test_it_makes_and_changes_rows_by_key() -> None:
    User.objects.create(username="ana", first_name="Ann", last_name="Kept")
    batch = ran([{"username": "ana", "first_name": "Ana"}, {"username": "bo", "first_name": "Bo"}])
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED"]
    rows = User.objects.filter(username__in=("ana", "bo")).order_by("username")
    assert list(rows.values_list("first_name", "last_name")) == [("Ana", "Kept"), ("Bo", "")]
    assert [row["created"] for row in Item.objects.order_by("position").values_list("result", flat=True)] == [
        False,
        True,
    ]


def test_it_names_every_fault_of_a_row_and_writes_nothing_of_it() -> None:
    batch = ran([{"username": "a b", "email": "not mail", "first_name": "x" * 200}, {"username": "ok"}])
    assert statuses(batch) == ["FAILED", "SUCCEEDED"]
    message = Item.objects.get(position=0).message
    assert all(f"{field}: " in message for field in ("username", "email", "first_name"))
    assert not User.objects.filter(username="a b").exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [({"username": "a", "shoe_size": 44}, "no field 'shoe_size'"), ({"first_name": "a"}, "no username")],
)
def test_it_refuses_rows_that_do_not_fit_the_table(row: dict[str, Any], words: str) -> None:
    batch = ran([row])
    assert statuses(batch) == ["FAILED"]
    assert words in Item.objects.get().message


@pytest.mark.parametrize(
    ("mode", "expected"), [("create", ["SKIPPED", "SUCCEEDED"]), ("update", ["SUCCEEDED", "SKIPPED"])]
)
def test_it_skips_what_its_mode_does_not_mean(mode: str, expected: list[str]) -> None:
    User.objects.create(username="ana")
    assert statuses(ran([{"username": "ana"}, {"username": "bo"}], mode=mode)) == expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"model": "auth.Permission"}, "model"),
        ({"key_field": "first_name"}, "key_field"),
        ({"key_field": "nope"}, "key_field"),
        ({"mode": "replace"}, "mode"),
    ],
)
def test_it_refuses_tables_that_are_not_listed_and_keys_that_are_none(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ran([{"username": "a"}], **params)
    assert f"params.{field}" in refused.value.errors


def test_it_makes_one_row_of_a_key_that_occurs_twice() -> None:
    batch = operations.submit(
        processor="import_rows",
        params={"model": "auth.Group", "key_field": "name"},
        items=[{"name": "crew"}] * 12,
        batch_id="twice",
    ).batch
    operations.start("twice")
    runner.work_until_idle("twice")
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert Group.objects.filter(name="crew").count() == 1


@pytest.mark.full_on("postgresql")
@pytest.mark.parametrize("column", ["is_superuser", "is_staff", "groups", "user_permissions", "password"])
@pytest.mark.parametrize("is_named", [True, False])
def test_no_row_makes_an_administrator(settings: Any, column: str, is_named: bool) -> None:
    settings.PORTAL_IMPORT_MODELS = ["auth.User.username", *([f"auth.User.{column}"] if is_named else [])]
    before = User.objects.create(username="ana", password="!")
    group = Group.objects.create(name="admins")
    value = [group.pk] if column in ("groups", "user_permissions") else "1"
    batch = ran([{"username": name, column: value} for name in ("ana", "bo")])
    assert statuses(batch) == ["FAILED", "FAILED"]
    before.refresh_from_db()
    assert (before.is_superuser, before.is_staff, before.password, before.groups.count()) == (False, False, "!", 0)
    assert not User.objects.filter(username="bo").exists()


@pytest.mark.parametrize(
    "model",
    ["auth.User", "auth.Group", "auth.Permission", "batches.AccessToken", "contenttypes.ContentType", "batches.Batch"],
)
def test_accounts_and_permissions_are_refused_unless_field_by_field(settings: Any, model: str) -> None:
    settings.PORTAL_IMPORT_MODELS = [model]
    with pytest.raises(InvalidInput, match="model"):
        ran([{"username": "bo"}], model=model)
    (error,) = import_models(None)
    assert "one by one" in error.msg


def test_only_the_fields_that_are_named_are_written(settings: Any) -> None:
    settings.PORTAL_IMPORT_MODELS = ["auth.User.username", "auth.User.email"]
    batch = ran([{"username": "bo", "email": "bo@example.org"}, {"username": "cy", "first_name": "Cy"}])
    assert statuses(batch) == ["SUCCEEDED", "FAILED"]
    assert list(User.objects.values_list("username", "email")) == [("bo", "bo@example.org")]


def test_a_check_names_entries_that_mean_nothing(settings: Any) -> None:
    settings.PORTAL_IMPORT_MODELS = ["auth.User.email", "auth.User.shoe", "nope.Nope", "nope", "auth.User.is_staff"]
    assert [error.msg.split("'")[1] for error in import_models(None)] == settings.PORTAL_IMPORT_MODELS[1:]


def test_it_takes_a_truth_value_for_what_people_mean_by_it() -> None:
    words = {"0": False, "no": False, "FALSCH": False, "off": False, "1": True, "Ja": True, "TRUE": True}
    batch = ran([{"username": f"u{n}", "is_active": word} for n, word in enumerate(words)])
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert list(User.objects.order_by("username").values_list("is_active", flat=True)) == list(words.values())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"is_active": "perhaps"}, "is_active: 'perhaps' is neither true nor false."),
        ({"is_active": None}, "is_active: None is neither true nor false."),
    ],
)
def test_it_refuses_a_cell_that_can_be_read_in_two_ways(row: dict[str, Any], words: str) -> None:
    User.objects.create(username="ann")
    ran([{"username": "ann", **row}])
    assert words in Item.objects.get().message
    assert User.objects.get(username="ann").is_active


@pytest.mark.parametrize(
    ("dates", "written", "stored"),
    [
        ("day-first", "03/04/2026", "2026-04-03"),
        ("day-first", "31.12.99 10:30", "1999-12-31"),
        ("month-first", "03/04/2026", "2026-03-04"),
        ("month-first", "2026-04-03", "2026-04-03"),
    ],
)
def test_it_reads_dates_as_was_chosen_once_for_all_rows(dates: str, written: str, stored: str) -> None:
    ran([{"username": "ann", "date_joined": written}], dates=dates)
    assert User.objects.get(username="ann").date_joined.date().isoformat() == stored


def test_it_refuses_a_date_that_is_none_in_the_order_that_was_chosen() -> None:
    batch = ran([{"username": "ann", "date_joined": "12/31/2026"}], dates="day-first")
    assert statuses(batch) == ["FAILED"]


def test_it_refuses_a_correction_that_could_be_two_dates() -> None:
    ran([{"username": "ann", "date_joined": "nonsense"}])
    operations.correct("people", items=[{"_item_key": "1", "username": "ann", "date_joined": "03/04/2026"}])
    runner.work_until_idle("people")
    assert "date_joined: '03/04/2026' is one of two dates. Write it as 2026-12-31." in Item.objects.get().message
