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

from batches.models import Item, QuarantinedItem
from errors.models import AdviceRevision, Findings, RegroupJob
from tests.helpers.migration_steps import REPLACED, step_by_step

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def old_models(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The models at a migration, upon a database that is brought up to date again whatever happens."""
    step_by_step().migrate([request.param])
    try:
        yield step_by_step().loader.project_state([request.param]).apps
    finally:
        migrate_to_latest()


def migrate_to_latest() -> None:
    step_by_step().migrate(REPLACED)
    latest = MigrationExecutor(connection)
    latest.migrate(latest.loader.graph.leaf_nodes())


def user_who_may_view(app: str, model: str) -> User:
    kind, _ = ContentType.objects.get_or_create(app_label=app, model=model)
    codename = f"view_{model}"
    right, _ = Permission.objects.get_or_create(content_type=kind, codename=codename, defaults={"name": "view"})
    user = User.objects.create(username="ann")
    user.user_permissions.add(right)
    return user


@pytest.mark.parametrize("old_models", [("errors", "0002_roles")], indirect=True)
@pytest.mark.full_on("sqlite")
def test_it_keeps_rows_and_rights_of_renamed_models(old_models: Any) -> None:
    now = timezone.now()
    group = old_models.get_model("errors", "ErrorGroup").objects.create(fingerprint="f", first_seen=now, last_seen=now)
    batch = old_models.get_model("batches", "Batch").objects.create(id="b1")
    old_models.get_model("errors", "GroupMove").objects.create(verb="merge", group=group, errors=7)
    old_models.get_model("errors", "Advised").objects.create(batch=batch, looked="COMPLETED 7", at=now)
    old_models.get_model("errors", "Findings").objects.create(batch=batch, found=[{"text": "every 7th"}], at=now)
    user_who_may_view("errors", "groupmove")
    migrate_to_latest()
    assert RegroupJob.objects.get().errors == 7
    assert AdviceRevision.objects.get().revision == "COMPLETED 7"
    assert Findings.objects.get().findings == [{"text": "every 7th"}]
    assert User.objects.get().has_perm("errors.view_regroupjob")


@pytest.mark.full
@pytest.mark.parametrize("old_models", [("batches", "0004_index_of_the_next_item")], indirect=True)
def test_it_keeps_what_people_have_set_aside(old_models: Any) -> None:
    batch = old_models.get_model("batches", "Batch").objects.create(id="b1")
    item = old_models.get_model("batches", "Item").objects.create(batch=batch, position=0, key="a", payload={})
    aside = old_models.get_model("batches", "Aside").objects.create(batch=batch, number=1, items=1, actor="ben")
    old_models.get_model("batches", "AsideItem").objects.create(aside=aside, item=item, status_before="FAILED")
    user_who_may_view("batches", "aside")
    migrate_to_latest()
    assert QuarantinedItem.objects.get().quarantine.actor == "ben"
    assert Item.objects.get().quarantines.get().status_before == "FAILED"
    assert User.objects.get().has_perm("batches.view_quarantine")
