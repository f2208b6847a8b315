"""Rules by which time archives and deletes: what they take, what they never take, and what is said of it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from batches import operations, tasks
from batches.lifecycle import removals, retention, transitions
from batches.models import Batch, Removal, RetentionRule, RetentionRun, Watch
from batchportal import safe_settings
from errors.models import ErrorGroup
from tests.helpers.check_rows import BAD, GOOD, finished, submitted
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
LONG_AGO = timedelta(days=100)


def ended(batch_id: str, *items: Any, ago: timedelta = LONG_AGO) -> Batch:
    batch = finished(batch_id, items or (GOOD, GOOD))
    Batch.objects.filter(pk=batch_id).update(finished_at=timezone.now() - ago)
    return batch


def rule(action: str = "delete", **more: Any) -> RetentionRule:
    return RetentionRule.objects.create(action=action, after_days=more.pop("after_days", 90), **more)


def statuses() -> dict[str, str]:
    return dict(Batch.objects.values_list("pk", "status"))


def test_it_takes_what_is_old_enough_and_says_so() -> None:
    ended("old")
    ended("young", ago=timedelta(days=80))
    rule()
    done = retention.run()
    assert done is not None
    assert (done.deleted, done.archived, done.items, done.kept) == (1, 0, 2, {})
    assert statuses() == {"old": "DELETING", "young": "COMPLETED"}
    removals.work()
    removal = Removal.objects.get()
    assert (removal.actor, removal.rule) == ("retention", "delete batches, 90 days after their end")
    assert statuses() == {"young": "COMPLETED"}


def test_it_never_takes_what_is_unresolved_watched_or_at_work() -> None:
    ended("unresolved", GOOD, BAD)
    ended("watched")
    ended("rehearsed").rehearsals.create(number=1, items=1)
    ended("goes")
    Watch.objects.create(batch_id="watched", user=person("admin"))
    operations.start(submitted("running").pk)
    tried = retention.dry_run(rule())
    assert (tried.batches, tried.items) == (1, 2)
    assert tried.kept == {"unresolved": 1, "watched": 1, "at work": 1}
    assert set(statuses().values()) == {"COMPLETED", "QUEUED"}
    done = retention.run()
    assert done is not None
    assert done.kept == tried.kept
    assert [pk for pk, status in statuses().items() if status == "DELETING"] == ["goes"]


def test_it_takes_what_failed_once_somebody_has_settled_it() -> None:
    ended("b1", GOOD, BAD)
    archiving = rule("archive", outcome="with_errors")
    assert retention.dry_run(archiving).batches == 0
    ErrorGroup.objects.update(state=ErrorGroup.State.IGNORED)
    assert retention.dry_run(archiving).batches == 1


def failed(batch_id: str) -> Batch:
    """The portal could not run it, long ago."""
    operations.start(submitted(batch_id).pk)
    transitions.move(batch_id, Batch.Status.FAILED, verb="fail", actor="worker", reason="no such processor")
    Batch.objects.filter(pk=batch_id).update(finished_at=timezone.now() - LONG_AGO)
    return operations.get_batch(batch_id)


def test_failed_batches_go_only_by_a_rule_that_names_them() -> None:
    failed("b1")
    ended("b2")
    any_outcome = rule()
    assert retention.dry_run(any_outcome).kept == {"failed": 1}
    any_outcome.delete()
    naming = rule(outcome="failed")
    assert str(naming) == "delete batches that ended failed, 90 days after their end"
    assert (retention.dry_run(naming).batches, retention.dry_run(naming).items) == (1, 2)
    retention.run()
    assert statuses() == {"b1": "DELETING", "b2": "COMPLETED"}


def test_a_rule_that_names_failed_batches_leaves_what_is_unresolved_or_watched() -> None:
    failed("watched")
    ended("open", GOOD, BAD)
    Batch.objects.filter(pk="open").update(status=Batch.Status.FAILED)
    Watch.objects.create(batch_id="watched", user=person("admin"))
    rule(outcome="failed")
    done = retention.run()
    assert done is not None
    assert (done.deleted, done.kept) == (0, {"unresolved": 1, "watched": 1})


def test_what_comes_between_is_seen_by_the_statement_that_begins() -> None:
    batch, deleting = ended("b1"), rule()
    condition = retention.may_go(deleting)
    Watch.objects.create(batch_id="b1", user=person("admin"))
    with pytest.raises(removals.InvalidTransition):
        retention.begin(batch, deleting, condition)
    assert statuses() == {"b1": "COMPLETED"}


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        ("any", {"clean", "errors", "cancelled"}),
        ("clean", {"clean"}),
        ("with_errors", {"errors"}),
        ("cancelled", {"cancelled"}),
    ],
)
@pytest.mark.full
def test_a_rule_takes_an_outcome_also_of_what_is_archived(outcome: str, taken: set[str]) -> None:
    ended("clean")
    ended("errors", GOOD, BAD)
    operations.cancel(submitted("cancelled").pk)
    ErrorGroup.objects.update(state=ErrorGroup.State.RESOLVED)
    for batch_id in list(statuses()):
        operations.archive(batch_id)
    removals.work()
    Batch.objects.update(finished_at=timezone.now() - LONG_AGO)
    rule(outcome=outcome)
    retention.run()
    assert {pk for pk, status in statuses().items() if status == "DELETING"} == taken


def test_a_rule_takes_its_processors_batches_only_and_an_inactive_one_none() -> None:
    ended("b1")
    rule(processor="test.do")
    rule(active=False)
    assert [retention.dry_run(each).batches for each in retention.rules()] == [0, 1]
    retention.run()
    assert statuses() == {"b1": "COMPLETED"}


def test_the_settings_hold_until_somebody_makes_a_rule(settings: Any) -> None:
    ended("b1")
    assert retention.rules() == []
    settings.PORTAL_ARCHIVE_AFTER_DAYS, settings.PORTAL_DELETE_AFTER_DAYS = 90, 365
    assert [str(each) for each in retention.rules()] == [
        "archive batches, 90 days after their end",
        "delete batches, 365 days after their end",
    ]
    tasks.retain()
    removals.work()
    assert statuses() == {"b1": "ARCHIVED"}
    rule(after_days=1000)
    assert len(retention.rules()) == 1


@pytest.mark.parametrize("days", [-1, 36_501])
def test_senseless_days_are_refused(days: int) -> None:
    sensible = {"PORTAL_SIGN_IN_TRIES": 10, "PORTAL_COOL_OFF_MINUTES": 15, "PORTAL_RATE_PER_CALLER": 0}
    others = {"PORTAL_RATE_PER_ADDRESS": 0, "PORTAL_PROXIES": 0, "PORTAL_ARCHIVE_AFTER_DAYS": 0}
    others |= {"PORTAL_FORGET_DELETED_AFTER_DAYS": 1_095}
    with pytest.raises(ImproperlyConfigured, match="PORTAL_DELETE_AFTER_DAYS"):
        safe_settings.refuse_senseless_limits(sensible | others | {"PORTAL_DELETE_AFTER_DAYS": days})


def test_a_run_that_breaks_off_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    rule()

    def broken(*arguments: Any) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(retention, "apply", broken)
    with pytest.raises(RuntimeError):
        retention.run()
    assert RetentionRun.objects.get().problem == "RuntimeError: no such thing"
    assert retention.last_run() is None
    assert retention.run() is None, "every worker's beat asks; one run is enough"


def test_admins_see_what_each_rule_would_do_and_apply_it() -> None:
    ended("b1", GOOD, BAD)
    ended("b2")
    rule()
    admin = signed_in(person("admin"))
    text = " ".join(html.unescape(admin.get("/admin/batches/retentionrule/").content.decode()).split())
    assert "delete batches, 90 days after their end" in text
    assert "1 unresolved" in text
    assert statuses()["b2"] == "COMPLETED"
    answer = admin.post("/admin/batches/retentionrule/run/", follow=True)
    assert "1 deleted" in answer.content.decode()
    assert statuses() == {"b1": "COMPLETED", "b2": "DELETING"}


def test_an_admin_makes_a_rule() -> None:
    admin = signed_in(person("admin"))
    form = {"action": "archive", "after_days": 30, "outcome": "clean", "processor": "", "active": "on"}
    assert admin.post("/admin/batches/retentionrule/add/", form).status_code == 302
    made = RetentionRule.objects.get()
    assert (str(made), made.created_by) == ("archive batches that ended clean, 30 days after their end", "admin")


def test_metrics_say_when_it_ran_and_what_went() -> None:
    assert b"batchportal_retention_run_seconds" not in client("viewer").get("/metrics").content
    ended("b1")
    rule()
    retention.run()
    shown = client("viewer").get("/metrics").content.decode()
    assert 'batchportal_removals_running{kind="delete"} 1.0' in shown
    removals.work()
    shown = client("viewer").get("/metrics").content.decode()
    assert 'batchportal_removed_items_total{kind="delete"} 2.0' in shown
    (since,) = re.findall(r"^batchportal_retention_run_seconds ([\d.e+-]+)$", shown, re.MULTILINE)
    assert 0 < float(since) < 600


def test_sessions_that_have_ended_are_removed() -> None:
    signed_in(person("admin"))
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1))
    tasks.clean_up()
    assert Session.objects.count() == 1
