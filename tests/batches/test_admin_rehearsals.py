"""Rehearse and adjust from the batch's page: who may, what is refused, what is shown."""

from __future__ import annotations

import pytest

from batches import operations
from batches.engine import rehearsals, runner
from batches.models import Rehearsal
from tests.helpers.batches import item, modes, statuses, submitted
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_an_operator_rehearses_and_reads_what_would_fail(user_of: UserOf) -> None:
    batch = submitted(modes("ok", "invalid", "ok"))
    client = signed_in(user_of("operator"))
    page = f"/admin/batches/batch/{batch.pk}/"
    whole = f"{page}change/"
    assert b"Rehearse" in client.get(whole).content
    answer = client.post(f"{page}rehearse/", {"sample": ""})
    made = Rehearsal.objects.get()
    assert answer["Location"].endswith(f"/rehearsal/{made.number}/")
    assert b"Rehearsing: 0 of 3" in client.get(answer["Location"]).content
    rehearsals.work(made.pk)
    rehearsals.work(made.pk)
    said = client.get(answer["Location"]).content.decode()
    assert "1 of 3 items would fail" in said
    assert "nothing was changed" in said
    assert "price is negative" in said
    assert f"/rehearsal/{made.number}/" in client.get(whole).content.decode()


def test_an_operator_changes_how_a_batch_runs(user_of: UserOf) -> None:
    batch = submitted(modes("ok"))
    client = signed_in(user_of("operator"))
    page = f"/admin/batches/batch/{batch.pk}/adjust/"
    now = {"concurrency": 1, "max_attempts": 3, "item_timeout": batch.item_timeout, "priority": "normal"}
    now |= {"rate_limit_attempts": batch.rate_limit_attempts, "rate_limit_seconds": batch.rate_limit_seconds}
    assert client.post(page, {**now, "concurrency": 3, "rate": "2.5", "reason": "slow down"}).status_code == 302
    batch.refresh_from_db()
    assert (batch.concurrency, batch.rate) == (3, 2.5)
    assert batch.transitions.get(verb="adjust").reason.endswith("slow down")
    refused = client.post(page, {**now, "concurrency": 3, "rate": "2.5", "item_timeout": 9999})
    assert "two thirds of the lease" in refused.content.decode()
    batch.refresh_from_db()
    assert batch.item_timeout == now["item_timeout"]


@pytest.mark.parametrize("act", ["rehearse", "adjust"])
def test_a_viewer_may_look_and_not_touch(user_of: UserOf, act: str) -> None:
    batch = submitted(modes("ok"))
    made = operations.rehearse(batch.pk, wake=False)
    client = signed_in(user_of("viewer"))
    page = f"/admin/batches/batch/{batch.pk}/"
    whole = f"{page}change/"
    assert client.get(f"{page}{act}/").status_code == 403
    assert client.post(f"{page}{act}/", {"sample": 1}).status_code == 403
    assert client.get(f"{page}rehearsal/{made.number}/").status_code == 200
    assert client.get(f"{page}rehearsal/99/").status_code == 404
    assert f"{page}rehearse/" not in client.get(whole).content.decode()
    assert Rehearsal.objects.count() == 1


def test_an_operator_decides_about_a_call_of_unknown_outcome(user_of: UserOf) -> None:
    batch = submitted(modes("unknown", "ok"), max_attempts=1)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    row, client = item(batch, 0), signed_in(user_of("operator"))
    page = f"/admin/batches/batch/{batch.pk}/decide/{row.pk}/"
    assert page in client.get(f"/admin/batches/batch/{batch.pk}/change/").content.decode()
    assert "Look at the receiver" in client.get(page).content.decode()
    assert client.post(page, {"outcome": "perhaps"}).status_code == 200
    assert client.post(page, {"outcome": "succeeded", "reason": "seen"}).status_code == 302
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED"]
    assert batch.transitions.get(verb="decide").actor == "operator"
    assert operations.verify(batch.pk) == []
