"""A database that an earlier commit filled, and whose workers died, is migrated, and its batches are finished."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from tests.upgrade.databases import filled, python

FILLED = "a846019"
MOMENT = re.compile(r"'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?'")
SINCE_THEN = timedelta(minutes=5)
"""Longer than a lease, so that both workers are known to be dead, and shorter than anything else that expires."""
OUTCOMES = {
    "first-run": {"completed": 20, "failed": 10, "quarantined": 0, "remaining": 0},
    "retried": {"completed": 36, "failed": 13, "quarantined": 1, "remaining": 0},
}
FINISH = """
import json
from contextlib import suppress
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from batches import operations
from batches.models import Webhook
from batches.progress_tracker import get_progress
from errors.models import ErrorGroup
batches = ("first-run", "retried")

def looked_at():
    return {batch: [get_progress(batch).to_dict(), list(operations.verify(batch))] for batch in batches}

before = looked_at()
with suppress(SystemExit):
    call_command("batch", "worker")
operator, refused = Client(headers={"host": "localhost"}), {}
operator.force_login(User.objects.get(username="operator"))
for batch in batches:
    page, desk, api = f"/admin/batches/batch/{batch}", f"/admin/errors/errorgroup/desk/{batch}", f"/api/batches/{batch}"
    fingerprints = ErrorGroup.objects.filter(batches__batch=batch).values_list("fingerprint", flat=True)
    for address in (
        *(f"{page}/change/", f"{desk}/", f"{desk}/retries/", f"{desk}/asides/", f"{desk}/fixes/", f"{desk}/exports/"),
        *(f"{desk}/group/{fingerprint}/" for fingerprint in fingerprints),
        *(api, f"{api}/items", f"{api}/errors", f"{api}/retries", f"{api}/fixes", f"{api}/errors/plan"),
    ):
        if (status := operator.get(address).status_code) != 200:
            refused[address] = status
secrets = list(Webhook.objects.values_list("secret", flat=True))
print(json.dumps({"before": before, "after": looked_at(), "refused": refused, "secrets": secrets}))
"""


def dump(vendor: str) -> str:
    """The statements that make the database again, as if it had been left a few minutes ago."""
    text = gzip.decompress((Path(__file__).parent / f"{FILLED}.{vendor}.sql.gz").read_bytes()).decode()
    moments = [datetime.fromisoformat(found[1]) for found in MOMENT.finditer(text)]
    left = max(moment for moment in moments if moment < min(moments) + timedelta(hours=1))  # others are yet to come
    passed = datetime.now(UTC).replace(tzinfo=None) - SINCE_THEN - left
    return MOMENT.sub(lambda found: f"'{datetime.fromisoformat(found[1]) + passed}{found[2] or ''}'", text)


@pytest.fixture
def earlier(db: None, tmp_path: Path) -> Iterator[str]:
    """The url of the database, made again on the server that the tests run on."""
    with filled(tmp_path, dump(connection.vendor)) as database:
        yield database


@pytest.mark.full_on("sqlite")
def test_what_ran_at_an_earlier_commit_is_finished_after_an_upgrade(earlier: str, tmp_path: Path) -> None:
    python(earlier, tmp_path, "manage.py", "migrate", "-v0")
    found = json.loads(python(earlier, tmp_path, "-c", f"import django; django.setup()\n{FINISH}"))
    for batch, outcome in OUTCOMES.items():
        progress, faults = found["before"][batch]
        assert (progress["status"], faults) == ("RUNNING", [])
        progress, faults = found["after"][batch]
        assert (progress["status"], faults) == ("COMPLETED", [])
        assert {name: progress[name] for name in outcome} == outcome
    assert found["refused"] == {}
    assert found["secrets"] == ["whsec_dXBncmFkZXMta2VlcC1pdA=="]
