"""One clock: every moment of a page in the reader's zone, which is named; what programs read stays in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.extensions import Notice
from batches.models import Batch
from batches.moments import in_reader_zone, moment
from errors.models import ErrorGroup, GroupChange
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.people import signed_in

pytestmark = pytest.mark.full_on("postgresql")
NOON = datetime(2026, 11, 26, 12, 0, 5, tzinfo=UTC)
TOKYO, BERLIN = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")


@pytest.fixture
def operator(user_of: Any, engine: None) -> Client:
    return signed_in(user_of("operator"))


@pytest.fixture
def paused(engine: None) -> Batch:
    batch = submitted(modes("ok"), batch_id="b")
    operations.start("b", actor="ana")
    operations.pause("b", actor="ana")
    batch.transitions.update(at=NOON)
    return batch


def page(client: Client) -> str:
    return str(client.get("/admin/batches/batch/b/change/", follow=True).content.decode())


def test_it_is_the_settings_zone_where_nobody_says_another(operator: Client, paused: Batch) -> None:
    assert "Paused by ana, 26 Nov 12:00 UTC" in page(operator)
    assert "Times are in <b data-zone-shown>UTC</b>" in page(operator)


def test_it_is_the_browsers_zone(operator: Client, paused: Batch) -> None:
    operator.cookies["zone"] = "Asia/Tokyo"
    shown = page(operator)
    assert "Paused by ana, 26 Nov 21:00 JST" in shown
    assert '<time datetime="2026-11-26T12:00:05+00:00">26 Nov 21:00:05 JST</time>' in shown
    assert "12:00" not in shown.replace('datetime="2026-11-26T12:00:05+00:00"', "")


def test_it_is_the_persons_own_zone_before_the_browsers(operator: Client, paused: Batch) -> None:
    operator.cookies["zone"] = "Asia/Tokyo"
    operator.post("/admin/batches/batch/zone/", {"zone": "Europe/Berlin"})
    assert "Paused by ana, 26 Nov 13:00 CET" in page(operator)
    again = Client()
    again.login(username="operator", password="secret-pass-word")
    assert "26 Nov 13:00 CET" in page(again)
    operator.post("/admin/batches/batch/zone/", {"zone": ""})
    assert "26 Nov 21:00 JST" in page(operator)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "x" * 500])
def test_it_takes_no_zone_that_is_none(operator: Client, paused: Batch, name: str) -> None:
    operator.cookies["zone"] = name
    assert "26 Nov 12:00 UTC" in page(operator)
    assert "Select a valid choice" in operator.post("/admin/batches/batch/zone/", {"zone": name}).content.decode()


def test_what_programs_read_stays_in_utc(operator: Client, paused: Batch) -> None:
    operator.cookies["zone"] = "Asia/Tokyo"
    (*_, last) = operator.get("/api/batches/b/transitions").json()["results"]
    assert last["at"] == "2026-11-26T12:00:05Z"


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("zone", "text"), [(UTC, "26 Nov 12:00:05 UTC"), (TOKYO, "26 Nov 21:00:05 JST"), (BERLIN, "26 Nov 13:00:05 CET")]
)
def test_a_moment_names_its_zone(zone: Any, text: str) -> None:
    assert moment(NOON, zone=zone, now=datetime(2026, 12, 24, tzinfo=UTC)) == text


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("failed from 23:50:01 to 23:59:02 UTC.", "failed from 27 Nov 2025 08:50:01 to 27 Nov 2025 08:59:02 JST."),
        (
            "from 2025-11-26 23:50:01 to 2025-11-27 00:10:02 UTC",
            "from 27 Nov 2025 08:50:01 to 27 Nov 2025 09:10:02 JST",
        ),
        ("until 12:00 UTC", "until 26 Nov 2025 21:00 JST"),
        ("at 99:99:99 UTC", "at 99:99:99 UTC"),
        ("country = UTC", "country = UTC"),
    ],
)
def test_a_sentence_is_read_in_the_readers_zone(said: str, read: str) -> None:
    from django.utils import timezone

    with timezone.override(TOKYO):
        assert in_reader_zone(said, datetime(2025, 11, 26, 12, tzinfo=UTC)) == read
        assert in_reader_zone("until 12:00 UTC", None) == "until 12:00 UTC"


def test_a_note_on_where_the_rows_came_from_is_read_in_the_readers_zone(operator: Client, engine: None) -> None:
    submitted(modes("ok"), batch_id="a")
    Batch.objects.update(created_at=NOON)
    again = submitted(modes("ok"), batch_id="b")
    assert "as a on 2026-11-26 12:00 UTC" in again.source["notes"][-1]
    operator.cookies["zone"] = "Asia/Tokyo"
    assert "as a on 26 Nov 21:00 JST" in page(operator)


@pytest.mark.any_database
def test_a_notice_in_a_terminal_is_in_the_zone_of_the_settings(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    assert Notice("No worker since", NOON, " on host.").text.endswith("13:00:05 CET on host.")


def test_why_the_portal_took_a_group_up_again_is_read_in_the_readers_zone(operator: Client, engine: None) -> None:
    batch = ran(modes("invalid"), batch_id="b")
    group = ErrorGroup.objects.get()
    GroupChange.objects.create(
        group=group,
        verb="regress",
        from_state="ignored",
        to_state="regressed",
        actor="",
        reason="un-ignored because it is 2026-11-26 12:00 UTC",
    )
    operator.cookies["zone"] = "Asia/Tokyo"
    address = reverse("admin:errors_group", args=[batch.pk, group.fingerprint])
    assert "un-ignored because it is 26 Nov 21:00 JST" in operator.get(f"{address}?tab=history").content.decode()
