"""Models that were renamed keep their rows, and the rights that somebody was given upon them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from errors.models import AdviceRevision, Findings, RegroupJob

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = [("errors", "0002_roles")]


@pytest.fixture
def old_models() -> Iterator[Any]:
    """The models of the release before, upon a database that is brought up to date again whatever happens."""
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes("errors")
    executor.migrate(BEFORE)
    try:
        yield MigrationExecutor(connection).loader.project_state(BEFORE).apps
    finally:
        MigrationExecutor(connection).migrate(latest)


def test_it_keeps_rows_and_rights_of_renamed_models(old_models: Any) -> None:
    now = timezone.now()
    group = old_models.get_model("errors", "ErrorGroup").objects.create(fingerprint="f", first_seen=now, last_seen=now)
    batch = old_models.get_model("batches", "Batch").objects.create(id="b1")
    old_models.get_model("errors", "GroupMove").objects.create(verb="merge", group=group, errors=7)
    old_models.get_model("errors", "Advised").objects.create(batch=batch, looked="COMPLETED 7", at=now)
    old_models.get_model("errors", "Findings").objects.create(batch=batch, found=[{"text": "every 7th"}], at=now)
    kind, _ = ContentType.objects.get_or_create(app_label="errors", model="groupmove")
    right, _ = Permission.objects.get_or_create(content_type=kind, codename="view_groupmove", defaults={"name": "view"})
    ann = User.objects.create(username="ann")
    ann.user_permissions.add(right)
    MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes("errors"))
    assert RegroupJob.objects.get().errors == 7
    assert AdviceRevision.objects.get().revision == "COMPLETED 7"
    assert Findings.objects.get().findings == [{"text": "every 7th"}]
    assert User.objects.get().has_perm("errors.view_regroupjob")
