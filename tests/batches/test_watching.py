"""Watching a batch: by mail, over REST and from its page, for those who may look."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.lifecycle import deliveries
from batches.models import Delivery
from tests.helpers.batches import modes, submitted
from tests.helpers.pages import page
from tests.helpers.people import client, signed_in

pytestmark = pytest.mark.usefixtures("engine")


def test_it_mails_those_who_watch_and_no_longer_those_who_stopped(ana: Any) -> None:
    batch = submitted(modes(*["ok"] * 4), name="a\nb")
    operations.watch(batch.pk, ana)
    operations.watch(batch.pk, ana)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    deliveries.send_due()
    assert [message.to for message in mail.outbox] == [["ana@example.com"]] * 5
    assert mail.outbox[0].subject == "a b: 25 % done"
    assert batch.pk in str(mail.outbox[0].body)
    other = submitted(modes("ok"))
    operations.watch(other.pk, ana)
    operations.unwatch(other.pk, ana)
    assert not operations.is_watching(other, ana)


def test_it_mails_nobody_who_lost_the_right_to_look(ana: Any) -> None:
    batch = submitted(modes("ok"))
    operations.watch(batch.pk, ana)
    ana.is_superuser = False
    ana.save()
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED"})
    deliveries.send_due()
    assert mail.outbox == []
    assert "may no longer" in Delivery.objects.get().answer


def test_it_refuses_a_watcher_without_an_address(ana: Any) -> None:
    ana.email = ""
    with pytest.raises(InvalidInput, match="no mail address"):
        operations.watch(submitted(modes("ok")).pk, ana)


def test_it_is_watched_over_rest_by_whoever_may_look(django_user_model: Any) -> None:
    batch = submitted(modes("ok"))
    viewer = client("viewer")
    viewer_row = django_user_model.objects.get(username="viewer")
    viewer_row.email = "v@example.com"
    viewer_row.save()
    address = f"/api/batches/{batch.pk}/watch"
    assert viewer.post(address).status_code == 204
    assert operations.is_watching(batch, viewer_row)
    assert viewer.delete(address).status_code == 204
    assert not operations.is_watching(batch, viewer_row)
    assert viewer.post("/api/batches/none/watch").status_code == 404


def test_it_is_watched_from_the_page(user_of: Any, django_user_model: Any) -> None:
    viewer, batch = user_of("viewer"), submitted(modes("ok"))
    client, address = signed_in(viewer), reverse("admin:batches_batch_watch", args=[batch.pk])
    assert "no mail address" in client.post(address, {"watch": "1"}, follow=True).content.decode()
    django_user_model.objects.filter(pk=viewer.pk).update(email="v@example.com")
    client.post(address, {"watch": "1"})
    assert "Stop watching" in page(client, batch.get_absolute_url())
    client.post(address, {"watch": "0"})
    assert "Stop watching" not in page(client, batch.get_absolute_url())
    assert "was not done" in client.get(address, follow=True).content.decode()
