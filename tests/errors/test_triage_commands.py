"""`manage.py batch aside`, `bring-back` and `plan`."""

from __future__ import annotations

import json

import pytest

from batches.models import Item, Quarantine, Retry
from errors.models import ErrorGroup, RecoveryPlan
from tests.helpers.batches import modes, ran
from tests.helpers.command_line import batch_command

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def aside() -> list[int]:
    return list(Item.objects.filter(status="QUARANTINED").order_by("position").values_list("position", flat=True))


def test_it_sets_items_aside_and_brings_them_back() -> None:
    ran(modes("ok", "network", "network", "invalid"), max_attempts=1, batch_id="b1")
    group = ErrorGroup.objects.get(category="network").fingerprint
    code, text, _ = batch_command("aside", "b1", "--group", group, "--reason", "their fault")
    assert (code, aside()) == (0, [1, 2])
    assert "b1: 2 items set aside (no. 1)." in text
    assert "batch bring-back b1 1" in text
    assert Quarantine.objects.values_list("actor", "reason").get() == ("command line", "their fault")
    code, text, _ = batch_command("aside", "b1", "--positions", "3-9", "--json")
    assert (code, json.loads(text)["number"], json.loads(text)["items"], aside()) == (0, 2, 1, [1, 2, 3])
    code, text, _ = batch_command("bring-back", "b1", "1")
    assert (code, aside()) == (0, [3])
    key = Item.objects.get(position=1).key
    assert (
        batch_command("aside", "b1", "--item", key)[0],
        batch_command("bring-back", "b1", "2", "--json")[0],
        aside(),
    ) == (0, 0, [1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("aside", "b1", "--code", "NOPE"), "nothing to set aside"),
        (("aside", "b1", "--positions", "x"), "such as 400-419"),
        (("aside", "b1", "--positions", "0-9", "--count", "7"), "7"),
        (("aside", "nope", "--code", "PRICE"), "no batch"),
        (("bring-back", "b1", "1"), "nothing aside under number 1"),
        (("plan", "b1", "--pause"), "no recovery plan"),
        (("plan", "nope"), "no batch"),
    ],
)
def test_what_is_refused_says_why_and_exits_with_2(arguments: tuple[str, ...], told: str) -> None:
    ran(modes("ok", "invalid"), max_attempts=1, batch_id="b1")
    code, _, error = batch_command(*arguments)
    assert (code, told in error, aside()) == (2, True, []), error


def test_the_plan_is_looked_at_worked_out_and_run() -> None:
    ran(modes("ok", *["network"] * 6, "invalid"), max_attempts=1, batch_id="b1")
    code, text, _ = batch_command("plan", "b1")
    assert (code, "no plan is worked out yet" in text, RecoveryPlan.objects.exists()) == (0, True, False)
    code, text, _ = batch_command("plan", "b1", "--new")
    assert (code, "b1: the plan is open." in text, "  1. " in text, Retry.objects.count()) == (0, True, True, 0)
    code, text, _ = batch_command("plan", "b1", "--run", "--json")
    assert (code, json.loads(text)["state"], Retry.objects.count()) == (0, "running", 1)
    code, text, _ = batch_command("plan", "b1", "--cancel", "--reason", "enough")
    assert (code, "the plan is cancelled. Cancelled by command line. enough" in text) == (0, True)
    assert batch_command("plan", "b1", "--pause")[0] == 2
