"""What was said of batches while it was not so: late starts, workers that have left, and what no door can do."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import timezone

from batches import checkpoint_manager, operations, plugins, processors, progress_tracker
from batches.engine.waiting_reasons import WaitingReasons
from batches.exceptions import UnknownProcessor
from batches.lifecycle import deliveries
from batches.models import Batch, Delivery, Retry, Worker
from batches.moments import moment
from errors.desk.addresses import desk_url
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.pages import page, words
from tests.helpers.people import UserOf, client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


def worker(name: str, *, processors: tuple[str, ...] = ("test.do",), declined: dict[str, str] | None = None) -> None:
    now = timezone.now()
    its_code = {"code": "c0de", "processors": dict.fromkeys(processors, ""), "declined": declined or {}}
    Worker.objects.create(
        name=f"{name}:0:7:7", host=name, started_at=now, heard_at=now + timedelta(hours=1), **its_code
    )


def failed_by_script(total: int = 0) -> Batch:
    def process(item: str) -> None:
        raise ValueError(f"bad {item}")

    checkpoint_manager.resume_from_checkpoint("b", ["1", "2"], process)
    return operations.get_batch("b")


def test_a_batch_that_was_to_start_says_why_it_has_not() -> None:
    batch = submitted(modes("ok"), start_at=timezone.now() + timedelta(hours=1))
    assert "it starts by itself at" in batch_command("show", batch.pk)[1]
    Batch.objects.filter(pk=batch.pk).update(start_at=timezone.now() - timedelta(minutes=5))
    browser = signed_in(person("admin"))
    for told in (
        client("viewer").get(f"/api/batches/{batch.pk}").json()["sentence"],
        batch_command("list")[1],
        words(page(browser, batch.get_absolute_url())),
    ):
        assert "it was to start by itself at" in told
        assert "but no worker lives, and these start it." in told
    assert "was to start at" in words(page(browser, "/admin/batches/batch/"))
    worker("elsewhere")
    assert "as soon as a worker sees to it" in batch_command("show", batch.pk)[1]


def test_a_worker_that_lives_and_can_run_a_batch_is_waited_for_as_any_other() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    batch.refresh_from_db()
    worker("old", declined={batch.pk: "There is no processor 'test.do'."})
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence.startswith("Waiting for a worker that can run test.do.")
    worker("new")
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence == "Waiting for a worker to pick it up. First in line; 2 workers, 0 batches run."


def test_a_desk_offers_no_retry_of_what_a_script_alone_can_try_again() -> None:
    batch, browser = failed_by_script(), signed_in(person("admin"))
    assert operations.legal_verbs(batch) == []
    desk = words(page(browser, desk_url(batch.pk)))
    for button in ("Retry", "Upload corrected rows", "Work out a plan"):
        assert button not in desk
    for address in (f"{desk_url(batch.pk)}retry/", f"{desk_url(batch.pk)}fixes/"):
        told = words(page(browser, address))
        assert "resume_from_checkpoint, called by its script, tries failed items again." in told
        assert "can begin once" not in told
        assert "Check the file" not in told
    item = batch.items.first()
    assert item is not None
    told = page(browser, f"/admin/batches/item/{item.pk}/change/")
    assert "Retry…" not in told
    assert "Correct…" not in told


def test_a_retry_of_a_cancelled_batch_is_never_possible_and_said_to_be() -> None:
    batch = ran(modes("invalid", "ok"))
    assert operations.when_retried(batch) == ""
    batch.status = "RUNNING"
    assert operations.when_retried(batch).endswith("a retry can begin once it is paused, halted or completed.")
    batch.status = "CANCELLED"
    assert operations.when_retried(batch) == "The batch is cancelled: nothing of it is tried again."


def test_a_desk_counts_as_done_what_a_script_has_counted() -> None:
    progress_tracker.start_batch("b", 100)
    progress_tracker.increment_completed("b", 40)
    assert "40 of 100 are done" in words(page(signed_in(person("admin")), desk_url("b")))


def test_a_retry_that_is_held_is_called_held_where_a_batch_lists_it() -> None:
    batch = ran(modes(*["invalid"] * 4))
    Retry.objects.create(batch=batch, number=1, scope={"all_failed": True}, state=Retry.State.HELD, items=4, canary=2)
    told = words(page(signed_in(person("admin")), batch.get_absolute_url()))
    assert "Not tried yet State" in told
    assert " Held " in told


def test_what_a_living_worker_lacks_is_told_before_what_a_dead_one_lacked() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    batch.refresh_from_db()
    worker("dead", processors=(), declined={batch.pk: "Said by the dead."})
    Worker.objects.update(heard_at=timezone.now() - timedelta(minutes=1))
    worker("alive", processors=(), declined={batch.pk: "Said by the living."})
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence.endswith("Said by the living.")


def test_a_processor_whose_code_cannot_be_imported_is_told_with_its_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_broken", {})
    with plugins.guarded("shop.processors", "PORTAL_PROCESSORS"):
        compile("def x(:", "shop/processors.py", "exec")
    with pytest.raises(UnknownProcessor, match=r"Left out, as it cannot be imported: shop\.processors \(SyntaxError\)"):
        processors.get("shop.charge")


def test_a_mail_says_when_that_was(mailoutbox: list[EmailMessage]) -> None:
    user = person("operator")
    User.objects.update(email="o@example.org")
    batch = submitted(modes("invalid"), max_errors=0)
    operations.watch(batch.pk, User.objects.get(pk=user.pk))
    at = timezone.now().replace(microsecond=0) - timedelta(hours=30)
    row = Delivery.objects.create(
        user_id=user.pk, batch=batch, event="batch.halted", data={"batch_id": batch.pk, "url": "u"}, due_at=at
    )
    Delivery.objects.filter(pk=row.pk).update(created_at=at)
    deliveries.send_due()
    (message,) = mailoutbox
    assert f"That was at {moment(at, zone=UTC)}; the page says how it stands now." in str(message.body)


def test_who_may_not_is_told_who_he_is_and_the_way_back(user_of: UserOf) -> None:
    batch = ran(modes("invalid"))
    viewer = signed_in(user_of("viewer"))
    answer = viewer.get(f"{desk_url(batch.pk)}retry/")
    assert answer.status_code == 403
    assert "signed in as viewer, who may look, but not act" in words(answer.content.decode())
    nobody = User.objects.create_user("nora", is_staff=True)
    answer = signed_in(nobody).get("/admin/batches/batch/")
    assert answer.status_code == 403
    assert "signed in as nora, who has no role here" in words(answer.content.decode())
    assert "There is nothing here" in viewer.get("/nowhere").content.decode()
