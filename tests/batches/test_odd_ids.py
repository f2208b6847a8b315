"""Ids that look like others once Django has read them: each page is about the batch that its address names."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from batches.models import Batch
from tests.helpers.batches import modes, submitted
from tests.helpers.pages import content, page, words
from tests.helpers.people import person, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
IDS = ("pay_x", "pay_5Fx", "a.b-c_2E")


@pytest.mark.parametrize("batch_id", IDS)
def test_history_and_deletion_are_of_the_batch_in_the_address(batch_id: str) -> None:
    for each in IDS:
        submitted(modes("ok"), batch_id=each)
    admin = person("admin")
    row = Batch.objects.filter(pk=batch_id)
    LogEntry.objects.log_actions(admin.pk, row, CHANGE, "done to this one", single_object=True)
    client = signed_in(admin)
    address = f"/admin/batches/batch/{batch_id}"
    assert batch_id in words(content(page(client, f"{address}/change/")))
    history = words(content(page(client, f"{address}/history/")))
    assert f"Change history: {batch_id}" in history
    assert "done to this one" in history
    deletion = words(content(page(client, f"{address}/delete/")))
    assert batch_id in deletion
    assert not any(other in deletion.replace(batch_id, "") for other in set(IDS) - {batch_id})


def test_a_link_as_django_writes_it_leads_to_the_batch() -> None:
    submitted(modes("ok"), batch_id="pay_x")
    answer = signed_in(person("admin")).get("/admin/batches/batch/pay_5Fx/change/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/batches/batch/pay_x/change/")
