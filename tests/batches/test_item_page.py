"""The page of one item: how it stands, what happened to it, and what may be done about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches import operations
from batches.engine import runner
from batches.models import Item
from tests.helpers.batches import item, modes, ran, submitted
from tests.helpers.pages import content, page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def url(row: Item) -> str:
    return reverse("admin:batches_item_change", args=[row.pk])


def seen(client: Client, row: Item) -> str:
    return words(content(page(client, url(row))))


def test_it_says_how_a_tried_item_ended(user_of: UserOf) -> None:
    batch = ran(modes("ok", "skip", "invalid", "fail_once"), max_attempts=2)
    client = signed_in(user_of("viewer"))
    succeeded, skipped, failed, late = (seen(client, item(batch, n)) for n in range(4))
    assert "It succeeded at its first attempt" in succeeded
    assert '"n": 0' in succeeded.split("Result")[1]
    assert "There was nothing to do: nothing to do" in skipped
    assert "It failed at its first attempt" in failed
    assert "price is negative" in failed
    assert "It succeeded at attempt 2" in late


@pytest.mark.parametrize(
    ("state", "words_then"),
    [
        ({}, "It waits for its turn."),
        ({}, "Nothing yet: no attempt has ended."),
        ({"attempts": 1, "available_at": timezone.now() + timedelta(days=1)}, "for attempt 2"),
        ({"attempts": 1, "status": "RUNNING"}, "A worker has it: attempt 2 is under way."),
        ({"crashes": 2, "status": "QUARANTINED", "failed_at": timezone.now()}, "its worker died 2 times"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_says_how_an_item_stands(user_of: UserOf, state: dict[str, Any], words_then: str) -> None:
    waiting = item(submitted(modes("ok")), 0)
    Item.objects.filter(pk=waiting.pk).update(**state)
    assert words_then in seen(signed_in(user_of("viewer")), waiting)


def test_it_tells_everything_that_happened_the_latest_first(user_of: UserOf) -> None:
    batch = ran(modes("network", "ok"), max_attempts=2, batch_id="told")
    row = item(batch, 0)
    operations.retry(batch.pk, all_failed=True, actor="ana", reason="once more")
    Item.objects.filter(pk=row.pk).update(payload={"mode": "invalid"})
    runner.work_until_idle(batch.pk)
    operations.quarantine(batch.pk, item_keys=[row.key], actor="ben", reason="ask accounting")
    shown = page(signed_in(user_of("operator")), url(row))
    said = words(content(shown))
    order = ["ben set it aside", "price is negative", "ana asked for retry 1", "at attempt 2", "at its first attempt"]
    places = [said.index(one, said.index("What happened")) for one in order]
    assert places == sorted(places)
    assert "ben set it aside: ask accounting" in said
    assert "once more (it failed in another way)" in said
    assert "it was to be tried again" in said
    assert f"/admin/errors/errorgroup/desk/{batch.pk}/group/" in shown
    assert "Traceback" in said
    assert "Bring back…" in said
    operations.release(batch.pk, 1, actor="ben")
    said = seen(signed_in(user_of("admin")), row)
    assert "ben brought it back" in said
    assert "Retry… Correct… Set aside…" in said


def test_it_leads_to_its_neighbours(user_of: UserOf) -> None:
    batch = ran(modes("ok", "ok", "ok"))
    client, middle = signed_in(user_of("viewer")), item(batch, 1)
    shown = page(client, url(middle))
    assert url(item(batch, 0)) in shown
    assert url(item(batch, 2)) in shown
    assert 'rel="prev"' not in page(client, url(item(batch, 0)))


def test_it_offers_acts_to_those_who_may_and_only_what_is_legal(user_of: UserOf) -> None:
    batch = ran(modes("invalid", "ok", "unknown"))
    Item.objects.filter(batch=batch, position=2).update(status="QUARANTINED")
    operator, viewer = signed_in(user_of("operator")), signed_in(user_of("viewer"))
    shown = page(operator, url(item(batch, 0)))
    for name in ("errors_retry_matching", "errors_fixes", "errors_aside_matching"):
        address = f"{reverse(f'admin:{name}', args=[batch.pk])}?positions=0"
        assert address in shown
        assert operator.get(address).status_code == 200
    assert "Retry…" not in seen(operator, item(batch, 1))
    assert "Decide…" in seen(operator, item(batch, 2))
    for position in (0, 2):
        assert "…" not in seen(viewer, item(batch, position))
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    assert signed_in(charlie).get(url(item(batch, 0))).status_code == 403
    assert Client().get(url(item(batch, 0))).status_code == 302
    assert operator.get(reverse("admin:batches_item_change", args=[10**12])).status_code in (302, 404)
    assert operator.get("/admin/batches/item/x/change/").status_code in (302, 404)


def test_it_shows_hostile_text_as_text_and_keeps_secrets(user_of: UserOf) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    batch = ran(modes("invalid", **{"password": "hunter22", evil: evil}), name=evil)
    row = item(batch, 0)
    Item.objects.filter(pk=row.pk).update(key=evil, message=f"{evil} hunter22", result={"token": "t0ken-t0ken"})
    row.batch.error_records.update(message=f"{evil} hunter22", worker=evil)
    shown = page(signed_in(user_of("operator")), url(row))
    assert "<img src=x" not in shown
    assert "<script>alert" not in shown
    assert "hunter22" not in shown
    assert "t0ken-t0ken" not in shown


def test_it_costs_the_same_however_often_an_item_failed(user_of: UserOf, impatient: None) -> None:
    once, often = ran(modes("network"), max_attempts=1), ran(modes("network"), max_attempts=6)
    client, spent = signed_in(user_of("operator")), []
    for batch in (once, once, often):
        with CaptureQueriesContext(connection) as queries:
            page(client, url(item(batch, 0)))
        spent.append(len(queries))
    assert spent[1] == spent[2] <= 19
