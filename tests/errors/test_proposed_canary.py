"""How many items go first is the same wherever a retry is asked for."""

from __future__ import annotations

import pytest

from batches import operations
from batches.models import Batch, Retry
from errors.desk.retry_form import RetryForm
from errors.recovery.forecast import forecast
from tests.helpers.command_line import batch_command
from tests.helpers.people import client
from tests.helpers.retries import broken

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def proposed_on_the_page(batch: Batch) -> tuple[int, int]:
    form = RetryForm(batch, forecast(batch, {"all_failed": True}))
    return form.fields["canary"].initial, form.fields["needed"].initial


def of_the_last(batch: Batch) -> tuple[int, int]:
    retry = batch.retries.latest("number")
    assert retry.state in (Retry.State.CANARY, Retry.State.RUNNING)
    assert (retry.state == Retry.State.CANARY) == bool(retry.canary)
    return retry.canary, retry.needed


def by_rest(batch: Batch) -> None:
    url = f"/api/batches/{batch.pk}/retry"
    assert client("operator").post(url, {"all_failed": True, "canary": None}, format="json").status_code == 202


def by_the_command(batch: Batch) -> None:
    code, text, _ = batch_command("retry", batch.pk, "--canary")
    assert (code, "All of them go at once" in text) == (0, False)


def by_python(batch: Batch) -> None:
    operations.retry(batch.pk, all_failed=True, canary=None)


@pytest.mark.parametrize("door", [by_rest, by_the_command, by_python])
@pytest.mark.parametrize(("items", "first"), [(12, 0), (230, 23)])
def test_each_door_lets_as_many_go_first_as_the_page_proposes(door: object, items: int, first: int) -> None:
    batch = broken(items)
    proposed = proposed_on_the_page(batch)
    assert callable(door)
    door(batch)
    assert of_the_last(batch) == proposed
    assert proposed[0] == first


def test_who_names_no_canary_is_told_of_it() -> None:
    batch = broken(230)
    proposed = proposed_on_the_page(batch)
    _, text, _ = batch_command("retry", batch.pk)
    assert of_the_last(batch) == (0, 0)
    first, needed = proposed
    assert f"a page would propose that {first} go first, of which {needed} have to recover:" in text
    assert f"  manage.py batch retry {batch.pk} --canary {first} --needed {needed}\n" in text
    assert f"To stop them now: manage.py batch pause {batch.pk}\n" in text
