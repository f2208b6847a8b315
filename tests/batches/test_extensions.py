"""What another app hangs into the engine."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from batches import operations
from batches.command_line import Screen, Verb
from batches.extensions import Extension, Scope, register
from batches.lifecycle import retry_selection, scopes
from batches.models import Batch, Milestone, Transition
from tests.helpers.batches import modes, ran, submitted

Hang = Callable[[Extension], None]


def failed_batch() -> Batch:
    batch = Batch.objects.create(id="b1", processor="p", status="COMPLETED", total_items=3)
    for position in range(3):
        batch.items.create(position=position, key=f"k{position}", payload={}, status="FAILED", failed_at=timezone.now())
    return batch


def test_it_refuses_a_second_extension_of_the_same_name(hang: Hang) -> None:
    hang(Extension(name="billing"))
    with pytest.raises(ImproperlyConfigured, match="billing"):
        register(Extension(name="billing"))


def test_it_asks_an_extension_what_is_broken(hang: Hang, db: None) -> None:
    def unbilled(batch: Batch) -> Iterator[str]:
        yield f"{batch.pk} is not billed."

    Batch.objects.create(id="b1")
    hang(Extension(name="billing", broken_promises=unbilled))
    assert "b1 is not billed." in operations.verify("b1")


def test_it_names_items_as_an_extension_does(hang: Hang, db: None) -> None:
    batch = failed_batch()
    hang(Extension(name="billing", scopes={"unpaid": Scope(lambda batch, value: Q(position__gte=value))}))
    name, value = scopes.only_scope({"unpaid": 1})
    assert batch.items.filter(scopes.condition(batch, name, value)).count() == 2


def test_it_refuses_a_scope_that_the_engine_has(hang: Hang) -> None:
    hang(Extension(name="billing", scopes={"code": Scope(lambda batch, value: Q())}))
    with pytest.raises(ImproperlyConfigured, match=r"billing.*'code'"):
        scopes.all_scopes()


def test_it_has_the_verbs_of_an_extension(hang: Hang, db: None) -> None:
    def bill(options: Namespace, screen: Screen) -> int:
        screen.line(f"{options.id} is billed.")
        return 3

    hang(Extension(name="billing", verbs={"bill": Verb("Send the bill.", bill)}))
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("batch", "bill", "b1", stdout=out)
    assert (out.getvalue(), ended.value.code) == ("b1 is billed.\n", 3)


def test_it_leaves_out_what_an_extension_takes_for_permanent(hang: Hang, db: None) -> None:
    batch = failed_batch()
    hang(Extension(name="billing", permanent_failures=lambda batch: Q(key="k0")))
    assert retry_selection.select_failed(batch, Q(), permanent=False).tried == 2
    assert retry_selection.select_failed(batch, Q(), permanent=True).tried == 3


def test_it_tells_of_transitions_and_milestones_with_their_commit_and_after_it(hang: Hang, engine: None) -> None:
    heard: list[tuple[str, object, bool]] = []

    def hear(name: str) -> Callable[..., None]:
        def note(row: Transition | Milestone, *counts: int) -> None:
            value = row.to_status if isinstance(row, Transition) else (row.milestone, *counts)
            heard.append((name, value, connection.in_atomic_block))

        return note

    hang(
        Extension(
            name="diary",
            transition_recorded=hear("recorded"),
            milestone_recorded=hear("recorded"),
            batch_transitioned=hear("committed"),
            milestone_reached=hear("committed"),
        )
    )
    ran(modes("ok", "ok"), checkpoint_every=1)
    assert [entry for entry in heard if entry[1] == "COMPLETED"] == [
        ("recorded", "COMPLETED", True),
        ("committed", "COMPLETED", False),
    ]
    marks = [entry for entry in heard if isinstance(entry[1], tuple)]
    assert [entry for entry in marks if entry[0] == "recorded"] == [
        ("recorded", (percent, done, 2), True) for percent, done in ((25, 1), (50, 1), (75, 2), (100, 2))
    ]
    assert [entry for entry in marks if entry[0] == "committed"] == [
        ("committed", (percent,), False) for percent in (25, 50, 75, 100)
    ]


def test_it_goes_on_when_an_extension_fails_after_a_commit(
    hang: Hang, engine: None, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def fail(transition: Transition) -> None:
        raise RuntimeError("away")

    hang(Extension(name="broken", batch_transitioned=fail))
    hang(Extension(name="diary", batch_transitioned=lambda transition: heard.append(transition.to_status)))
    assert ran(modes("ok")).status == "COMPLETED"
    assert heard[-1] == "COMPLETED"
    assert "extension broken failed" in caplog.text


def test_it_writes_nothing_of_a_transition_that_an_extension_refuses(hang: Hang, engine: None) -> None:
    def refuse(transition: Transition) -> None:
        raise RuntimeError("no")

    batch = submitted(modes("ok"))
    hang(Extension(name="refusal", transition_recorded=refuse))
    with pytest.raises(RuntimeError):
        operations.start(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "PENDING"
