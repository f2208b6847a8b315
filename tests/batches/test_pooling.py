"""Behind a pooler each transaction may have another session: nothing of the last one is relied upon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from batches import operations
from tests import processors
from tests.helpers.batches import modes, ran, statuses
from tests.helpers.places import ROOT

POOLED = "postgres://portal@localhost/portal?DISABLE_SERVER_SIDE_CURSORS=true"
SAY = "from django.conf import settings as s; print(s.DATABASES['default']['OPTIONS'], s.PORTAL_POOLED_IDLE_MS)"


@pytest.mark.parametrize(("url", "options", "said"), [(POOLED, False, "40000"), (POOLED[:-5], True, "None")])
def test_it_asks_a_pooler_for_no_session_options(tmp_path: Path, url: str, options: bool, said: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url.removesuffix("?DISABLE_SERVER_SIDE_CURSORS=")}
    environment |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "PORTAL_VAR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", SAY], cwd=ROOT, env=environment, text=True, capture_output=True, check=True
    )
    assert ("-c idle_in_transaction_session_timeout" in ran.stdout) is options
    assert ran.stdout.split()[-1] == said


@pytest.mark.usefixtures("engine")
def test_it_runs_in_sessions_that_forget_everything(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no pooler")
    settings.PORTAL_POOLED_IDLE_MS = "12345"
    connection.ensure_connection()
    commit = connection._commit

    def forget() -> None:
        commit()
        raw = connection.connection
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute("DISCARD ALL")
        raw.autocommit = False

    found: set[str] = set()

    def look(payload: dict[str, Any], context: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            found.add(cursor.fetchone()[0])

    monkeypatch.setattr(connection, "_commit", forget)
    monkeypatch.setitem(processors.MODES, "look", look)
    batch = ran(modes(*["look"] * 25, "invalid", effect=True))
    assert statuses(batch) == ["SUCCEEDED"] * 25 + ["FAILED"]
    assert found == {"12345ms"}
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 25
    assert operations.verify(batch.pk) == []
