"""What fails now beside what ever failed: by group, over all batches, in every door."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches import operations
from batches.engine import runner
from batches.models import Batch, Checkpoint, Item
from errors import error_analyzer, groups
from errors.desk.addresses import desk_url
from errors.desk.group_query import GroupQuery, group_overview_list
from errors.grouping import failing_now
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup, FailingCount
from tests.helpers.batches import modes, ran, submitted, worked_on
from tests.helpers.people import signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]


@pytest.fixture
def admin(user_of: Any) -> Client:
    return signed_in(user_of("admin"))


def failing(*wanted: str, **more: Any) -> Batch:
    return ran(modes(*wanted), max_attempts=1, **more)


def counts_of(batch: Batch) -> dict[str, tuple[int, int, int]]:
    """code -> items that ever failed so, that fail now, that are set aside."""
    failing_now.refresh(batch)
    rows = BatchGroup.objects.filter(batch=batch)
    return {row.group.code: (row.items, row.failing, row.set_aside) for row in rows}


def recover(batch: Batch, code: str) -> None:
    """Its items come back in a retry."""
    keys = list(Item.objects.filter(batch=batch, code=code).values_list("key", flat=True))
    Item.objects.filter(batch=batch, key__in=keys).update(payload={"mode": "ok"})
    operations.retry(batch.pk, item_keys=keys)
    runner.work_until_idle(batch.pk)


def test_what_recovered_fails_no_more_and_did_fail() -> None:
    batch = failing("network", "network", "invalid", "ok")
    assert counts_of(batch) == {"NETWORK_ERROR": (2, 2, 0), "PRICE": (1, 1, 0)}
    recover(batch, "NETWORK_ERROR")
    assert counts_of(batch) == {"NETWORK_ERROR": (2, 0, 0), "PRICE": (1, 1, 0)}


def test_an_item_counts_once_where_it_failed_last() -> None:
    batch = failing("network", "network")
    Item.objects.filter(batch=batch, position=0).update(payload={"mode": "invalid"})
    operations.retry(batch.pk, all_failed=True)
    runner.work_until_idle(batch.pk)
    assert counts_of(batch) == {"NETWORK_ERROR": (2, 1, 0), "PRICE": (1, 1, 0)}
    assert sum(failing for _, failing, _ in counts_of(batch).values()) == Item.objects.filter(status="FAILED").count()


def test_what_is_set_aside_fails_no_more_and_has_not_recovered(admin: Client) -> None:
    batch = failing("network", "ok")
    operations.quarantine(batch.pk, all_failed=True)
    assert counts_of(batch) == {"NETWORK_ERROR": (1, 0, 1)}
    assert "all recovered" not in admin.get(desk_url(batch.pk)).content.decode()


@pytest.mark.parametrize("ends", [False, True])
def test_what_waits_for_its_next_try_has_not_recovered(admin: Client, *, ends: bool) -> None:
    batch = worked_on(modes("ok", "invalid", "later", "later"))
    if ends:
        operations.cancel(batch.pk)
    for url in (desk_url(batch.pk), reverse("admin:errors_overview")):
        listed = admin.get(url).content.decode()
        assert "all recovered" not in listed
        assert "<small>2 without an outcome</small>" in listed
    groups = admin.get(f"/api/batches/{batch.pk}/errors/groups").json()["results"]
    assert {row["code"]: (row["failing"], row["waiting"]) for row in groups} == {"UNKNOWN": (0, 2), "PRICE": (1, 0)}


def test_what_waited_and_recovered_waits_no_more(admin: Client) -> None:
    batch = worked_on(modes("ok", "later"))
    assert "1 without an outcome" in admin.get(desk_url(batch.pk)).content.decode()
    Item.objects.filter(batch=batch, available_at__isnull=False).update(
        available_at=timezone.now(), payload={"mode": "ok"}
    )
    runner.work_until_idle(batch.pk)
    listed = admin.get(desk_url(batch.pk)).content.decode()
    assert "all recovered" in listed
    assert "without an outcome" not in listed


def test_a_group_that_was_split_or_merged_is_counted_anew() -> None:
    batch = failing("network", "invalid")
    assert counts_of(batch) == {"NETWORK_ERROR": (1, 1, 0), "PRICE": (1, 1, 0)}
    network, price = (ErrorGroup.objects.get(code=code) for code in ("NETWORK_ERROR", "PRICE"))
    regrouping.merge(network.pk, price.pk, actor="ana")
    assert counts_of(batch) == {"PRICE": (2, 2, 0)}


def test_the_desk_lists_what_recovered_last_and_offers_to_resolve_it(admin: Client) -> None:
    batch = failing("network", "network", "invalid", "ok")
    recover(batch, "NETWORK_ERROR")
    listed = admin.get(desk_url(batch.pk)).content.decode().partition("bp-groups")[2]
    assert listed.index("PRICE") < listed.index("NETWORK_ERROR")
    assert listed.count("all recovered") == 1
    assert "/resolve/" in listed.partition("all recovered")[2]


def test_rest_report_and_summary_carry_both(admin: Client) -> None:
    batch = failing("network", "network", "invalid", "ok")
    recover(batch, "NETWORK_ERROR")
    listed = admin.get(f"/api/batches/{batch.pk}/errors/groups").json()["results"]
    assert {row["code"]: (row["items"], row["failing"]) for row in listed} == {"NETWORK_ERROR": (2, 0), "PRICE": (1, 1)}
    report = error_analyzer.aggregate_errors(batch.pk)
    assert {group["code"]: group["failing"] for group in report.groups} == {"NETWORK_ERROR": 0, "PRICE": 1}
    text = b"".join(admin.get(f"/api/batches/{batch.pk}/errors/export/csv?kind=summary").streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert {row["error_code"]: row["failing_now"] for row in rows} == {"NETWORK_ERROR": "0", "PRICE": "1"}
    assert sum(int(row["failing_now"]) for row in rows) == Item.objects.filter(batch=batch, status="FAILED").count()


@pytest.mark.full_on("sqlite")
def test_the_overview_counts_all_and_names_the_causes_first(admin: Client) -> None:
    for n in range(14):
        failing("network", "ok", batch_id=f"b{n}")
    page = admin.get(reverse("admin:errors_overview")).content.decode()
    assert "14 items fail now in 14 batches, for 1 cause." in page
    assert page.index('id="groups"') < page.index('id="batches-title"')
    assert ">2 more</a>" in page
    assert "in 14 batches" in page.partition('id="groups"')[2]


def statements_of_a_look() -> list[str]:
    with CaptureQueriesContext(connection) as statements:
        failing_now.refresh_stale(at_once=True)
    return [each["sql"] for each in statements]


def test_it_sees_in_one_statement_that_nothing_has_changed_in_any_number_of_batches() -> None:
    for n in range(3):
        failing("network", "invalid", batch_id=f"b{n}")
    failing_now.refresh_stale()
    first, second = statements_of_a_look(), statements_of_a_look()
    assert (len(first), len(second)) == (1, 1)
    assert not [sql for sql in second if "'b0'" in sql or "GROUP BY" in sql]


def test_it_compares_only_batches_at_work_while_nothing_else_has_changed() -> None:
    failing("network", batch_id="over")
    failing("network", "network", batch_id="at-work")
    Batch.objects.filter(pk="at-work").update(status="RUNNING")
    failing_now.refresh_stale()
    Item.objects.filter(batch="at-work", position=0).update(status="SUCCEEDED", failed_at=None)
    Checkpoint.objects.filter(batch="at-work").update(failed=1, succeeded=1)
    statements = statements_of_a_look()
    assert not [sql for sql in statements if "'over'" in sql]
    assert BatchGroup.objects.get(batch="at-work").failing == 1


@pytest.mark.parametrize("act", ["recover", "set aside", "regroup", "reopen"])
def test_it_counts_anew_whatever_has_changed_since(act: str) -> None:
    batch = failing("network", "network", "invalid")
    network, price = (ErrorGroup.objects.get(code=code) for code in ("NETWORK_ERROR", "PRICE"))
    groups.ignore(network.pk, actor="ana")
    failing_now.refresh_stale(at_once=True)
    failing_now.refresh_stale(at_once=True)
    match act:
        case "recover":
            recover(batch, "NETWORK_ERROR")
        case "set aside":
            operations.quarantine(batch.pk, all_failed=True)
        case "regroup":
            regrouping.merge(network.pk, price.pk, actor="ana")
        case "reopen":
            BatchGroup.objects.update(failing=7)
            FailingCount.objects.update(revision="")
            groups.reopen(network.pk, actor="ana")
    failing_now.refresh_stale(at_once=True)
    counts = {row.group.code: row.failing for row in BatchGroup.objects.all()}
    assert (
        counts
        == {
            "recover": {"NETWORK_ERROR": 0, "PRICE": 1},
            "set aside": {"NETWORK_ERROR": 0, "PRICE": 0},
            "regroup": {"PRICE": 3},
            "reopen": {"NETWORK_ERROR": 2, "PRICE": 1},
        }[act]
    )


def test_the_list_asks_what_needs_attention_once(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    failing("network")
    looks: list[None] = []
    monkeypatch.setattr("errors.grouping.failing_now.refresh_stale", lambda **options: looks.append(None))
    admin.get("/admin/batches/batch/?show=attention")
    assert len(looks) == 1


def test_the_overview_looks_up_the_latest_batch_of_what_it_lists_alone(admin: Client) -> None:
    failing("network", batch_id="first")
    failing("network", batch_id="second")
    failing("invalid", batch_id="third")
    with CaptureQueriesContext(connection) as statements:
        listed = group_overview_list(GroupQuery(), "")
    assert {row.group.code: row.batch_id for row in listed.rows} == {"NETWORK_ERROR": "second", "PRICE": "third"}
    (counting,) = [each["sql"] for each in statements if 'SUM("errors_batchgroup"."failing")' in each["sql"]]
    assert counting.count("SELECT") == 1


def attention(client: Client) -> set[str]:
    page = client.get("/admin/batches/batch/?show=attention")
    return {row.batch.pk for row in page.context_data["rows"]}  # type: ignore[attr-defined]


def test_attention_ends_when_nothing_is_left_to_do(admin: Client) -> None:
    recovered, settled, open_one = (failing("network", batch_id=name) for name in ("recovered", "settled", "open"))
    assert attention(admin) == {"recovered", "settled", "open"}
    recover(recovered, "NETWORK_ERROR")
    assert attention(admin) == {"settled", "open"}
    group = ErrorGroup.objects.get()
    groups.ignore(group.pk, actor="ana")
    assert attention(admin) == set()
    groups.reopen(group.pk, actor="ana")
    assert attention(admin) == {settled.pk, open_one.pk}


def test_attention_is_for_what_stopped_or_waits_for_a_person(admin: Client) -> None:
    submitted(modes("ok"), batch_id="unstarted")
    submitted(modes("ok"), batch_id="paused")
    operations.start("paused")
    operations.pause("paused")
    failing("ok", batch_id="fine")
    failing(*["error"] * 3, "ok", batch_id="halted", max_errors=1, checkpoint_every=1)
    assert attention(admin) == {"unstarted", "paused", "halted"}


def test_attention_is_for_a_batch_that_no_worker_has(admin: Client) -> None:
    batch = submitted(modes("ok"), batch_id="stuck")
    operations.start(batch.pk)
    Batch.objects.update(status="RUNNING", running_since="2026-01-01T00:00:00Z", created_at="2026-01-01T00:00:00Z")
    assert attention(admin) == {"stuck"}
