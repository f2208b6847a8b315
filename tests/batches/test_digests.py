"""A digest by choice: one mail a day of what happened, exactly one, none where nothing did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from batches import operations, tasks
from batches.exceptions import InvalidInput
from batches.lifecycle import deliveries, digests
from batches.models import Batch, Delivery, Preference
from batches.reader_zone import choose_zone
from tests.helpers.batches import modes, submitted

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def halted(batch: Batch) -> None:
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED", "reason": "too many failed"})


def let_hour_come(user: Any) -> None:
    Preference.objects.filter(user=user).update(digest_at=timezone.now() - timedelta(seconds=1))


def test_it_lists_with_links_what_happened_as_one_mail_at_its_hour(ana: Any) -> None:
    first, second = submitted(modes("ok"), name="north"), submitted(modes("ok"), name="south")
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8, "Asia/Tokyo")
    halted(first)
    halted(second)
    tasks.sweep_now()
    assert deliveries.send_due() == 0

    let_hour_come(ana)
    tasks.sweep_now()
    deliveries.send_due()

    (message,) = mail.outbox
    assert message.subject == "Digest: 2 messages about batches"
    for text in (
        " JST: north: halted",
        " JST: south: halted",
        "too many failed",
        first.pk,
        reverse("admin:batches_mail"),
    ):
        assert text in str(message.body)
    assert Delivery.objects.get().event == Delivery.Event.DIGEST
    assert Preference.objects.get(user=ana).digest_at > timezone.now()


def test_an_empty_one_is_not_sent_and_its_next_hour_stands(ana: Any) -> None:
    operations.choose_digest(ana, 8)
    let_hour_come(ana)
    assert digests.queue_due() == 0
    assert not Delivery.objects.exists()
    assert Preference.objects.get(user=ana).digest_at > timezone.now()


def test_who_read_the_same_hour_earlier_makes_no_second_one(ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8)
    halted(submitted(modes("ok")))
    let_hour_come(ana)
    seen_by_both = Preference.objects.get(user=ana)
    assert digests.queue_digest(seen_by_both)
    halted(submitted(modes("ok")))
    assert not digests.queue_digest(seen_by_both)
    assert Delivery.objects.filter(event=Delivery.Event.DIGEST).count() == 1
    assert Delivery.objects.filter(held=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_make_exactly_one(ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8)
    halted(submitted(modes("ok")))
    let_hour_come(ana)
    preference, start, made = Preference.objects.get(user=ana), Barrier(2), []

    def beat() -> None:
        start.wait(10)
        made.append(digests.queue_digest(preference))
        connection.close()

    beats = [Thread(target=beat) for _ in range(2)]
    for thread in beats:
        thread.start()
    for thread in beats:
        thread.join(30)
    assert sorted(made) == [False, True]
    assert [row.data["messages"] for row in Delivery.objects.all()] == [1]


def test_who_goes_back_to_mail_at_once_gets_what_was_held(ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8)
    halted(submitted(modes("ok"), name="north"))
    operations.choose_digest(ana, None)
    tasks.sweep_now()
    deliveries.send_due()
    assert [message.subject for message in mail.outbox] == ["north: halted"]


def test_what_is_held_goes_to_nobody_who_stopped_watching_or_may_no_longer_look(ana: Any) -> None:
    north, south = submitted(modes("ok"), name="north"), submitted(modes("ok"), name="south")
    for batch in (north, south):
        operations.watch(batch.pk, ana)
    operations.choose_digest(ana, 8)
    halted(north)
    halted(south)
    operations.unwatch(north.pk, ana)
    assert [row.batch for row in Delivery.objects.filter(held=True)] == [south]
    User.objects.update(is_superuser=False)
    let_hour_come(ana)
    tasks.sweep_now()
    deliveries.send_due()
    assert mail.outbox == []
    assert "may no longer" in Delivery.objects.get().answer


def test_what_is_held_of_a_batch_that_is_deleted_is_not_sent(ana: Any) -> None:
    batch = submitted(modes("ok"))
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8)
    halted(batch)
    assert operations.removal_plan(batch.pk, "delete").contents["messages not sent yet"] == 1
    operations.delete(batch.pk)
    assert not Delivery.objects.filter(Delivery.OWED).exists()


def test_a_digest_is_sent_again_and_a_held_message_by_itself(ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    operations.choose_digest(ana, 8)
    halted(submitted(modes("ok"), name="north"))
    operations.resend(Delivery.objects.get())
    deliveries.send_due()
    halted(submitted(modes("ok"), name="south"))
    let_hour_come(ana)
    digests.queue_due()
    deliveries.send_due()
    operations.resend(Delivery.objects.get(event=Delivery.Event.DIGEST))
    deliveries.send_due()
    assert [message.subject for message in mail.outbox] == ["north: halted", *["Digest: 1 message about batches"] * 2]


HOURS = [
    ("Europe/Berlin", 8, datetime(2026, 1, 5, 6, 59, tzinfo=UTC), datetime(2026, 1, 5, 7, tzinfo=UTC)),
    ("Europe/Berlin", 8, datetime(2026, 1, 5, 7, 0, tzinfo=UTC), datetime(2026, 1, 6, 7, tzinfo=UTC)),
    ("Europe/Berlin", 8, datetime(2026, 3, 28, 8, 0, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
    ("Europe/Berlin", 2, datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Pacific/Kiritimati", 0, datetime(2026, 1, 5, 9, 0, tzinfo=UTC), datetime(2026, 1, 5, 10, tzinfo=UTC)),
    ("", 0, datetime(2026, 1, 5, 9, 0, tzinfo=UTC), datetime(2026, 1, 6, 0, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "hour", "now", "expected"), HOURS)
def test_its_hour_is_of_the_persons_zone(zone: str, hour: int, now: datetime, expected: datetime) -> None:
    assert Preference(zone=zone, digest_hour=hour).digest_after(now) == expected


def test_another_zone_moves_the_next_one(ana: Any, rf: Any) -> None:
    operations.choose_digest(ana, 8, "Europe/Berlin")
    request = rf.get("/")
    request.user, request.session = ana, {}
    choose_zone(request, "Pacific/Kiritimati")
    at = Preference.objects.get(user=ana).digest_at
    assert at.astimezone(UTC).hour == 18


@pytest.mark.parametrize("hour", [-1, 24])
def test_it_refuses_what_is_no_hour(ana: Any, hour: int) -> None:
    with pytest.raises(InvalidInput, match="0 to 23"):
        operations.choose_digest(ana, hour)
    assert not Preference.objects.exists()
