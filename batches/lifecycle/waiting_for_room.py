"""Batches that a full disk has stopped: each is paused, and goes on by itself once the database takes rows again.

Whoever sweeps looks for room, after pauses that grow: one row of a megabyte is written and removed. What a person has
paused has another reason, and stays paused; so does a batch that waited for a day, or was stopped too often.
"""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from time import monotonic

from django.db import DatabaseError
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When

from batches import clock
from batches.extensions import Notice
from batches.lifecycle import transitions
from batches.models import Batch, IdempotencyRecord, Transition
from batches.no_room import is_full_database, where_to_free
from batches.wording import number_agrees, quantity

logger = logging.getLogger("batches")

PREFIX = "storage_full: the database's disk is full. Nothing is lost: free some space, then "
GOES_ON = f"{PREFIX}a worker goes on with it by itself. After a day of waiting, resume it."
RESUME_IT = f"{PREFIX}resume it."
STOPPED = "Stopped by a full disk since"
STATUSES = (Batch.Status.PAUSING, Batch.Status.PAUSED)
THERE_IS_ROOM = "There is room again."
WAITS_FOR = timedelta(days=1)
STOPPED_A_DAY = 20
"""How often within a day a batch goes on by itself: a disk that fills ever again needs a person."""
ROOM = 1024 * 1024  # bytes
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # seconds


class Pauses:
    """When this process looks for room, in seconds of the monotonic clock.

    First after 5 s, then after pauses that double, up to `longest`. A disk that has filled again before the next look
    is the same trouble still.
    """

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self.longest = longest
        self.length = 0.0
        self.due = 0.0

    def is_over(self, now: float) -> bool:
        """Whether it is time to look; if so, or at first, the next pause begins."""
        begun, over = bool(self.length), now >= self.due
        if over:
            self.length = min(self.longest, 2 * self.length or FIRST_PAUSE)
            self.due = now + self.length
        return begun and over

    def forget(self, now: float) -> None:
        """Nothing waits: what comes after the pause begins anew."""
        if now >= self.due:
            self.length = self.due = 0.0


pauses = Pauses()


def reason_for(batch: Batch) -> str:
    """Why it is paused, and who has it go on."""
    day = clock.now_sql() - WAITS_FOR
    before = Transition.objects.filter(batch=batch, to_status=Batch.Status.PAUSING, reason=GOES_ON, at__gt=day)
    return RESUME_IT if batch.is_ad_hoc or before.count() >= STOPPED_A_DAY else GOES_ON


def note_time(batch_id: str) -> None:
    """The stop of a batch bears the database's time: it is measured by that clock, not by the worker's."""
    stop = Transition.objects.filter(batch=batch_id, to_status=Batch.Status.PAUSING).last()
    if stop is not None:
        Transition.objects.filter(pk=stop.pk).update(at=clock.now_sql())


def stopped() -> QuerySet[Batch]:
    """Batches that a full disk has stopped, also those that wait for a person by now."""
    return Batch.objects.filter(status__in=STATUSES, reason__startswith=PREFIX)


def stops() -> QuerySet[Transition]:
    """Stops of the batch of a surrounding query."""
    return Transition.objects.filter(batch=OuterRef("pk"), to_status=Batch.Status.PAUSING)


def may_go_on() -> Q:
    """The condition on batches that go on by themselves."""
    return Q(Exists(stops().filter(at__gt=clock.now_sql() - WAITS_FOR)), reason=GOES_ON)


def goes_on_by_itself(batch_id: str) -> bool:
    """Whether the batch was stopped by a full disk, and goes on once there is room."""
    return stopped().filter(may_go_on(), pk=batch_id).exists()


def resume_stopped() -> list[str]:
    """Have batches go on if there is room again, and it is time to look; returns their ids."""
    waiting = stopped().filter(may_go_on(), status=Batch.Status.PAUSED)
    ids = list(waiting.order_by("created_at").values_list("pk", flat=True))
    if not ids:
        pauses.forget(monotonic())
        return []
    if not pauses.is_over(monotonic()) or not there_is_room():
        return []
    return [pk for pk in ids if resume(pk)]


def resume(batch_id: str) -> bool:
    """One statement decides: whoever has paused, resumed or cancelled it meanwhile is not overruled."""
    moved = transitions.move(
        batch_id,
        Batch.Status.QUEUED,
        verb="resume",
        from_=(Batch.Status.PAUSED,),
        actor="worker",
        reason=THERE_IS_ROOM,
        only_if=may_go_on(),
    )
    return moved is not None


def there_is_room() -> bool:
    """Whether the database takes a megabyte. It is written in earnest, as SQLite writes nothing before a commit."""
    now = clock.now()
    row = IdempotencyRecord(
        key=secrets.token_hex(32), response=secrets.token_hex(ROOM // 2), created_at=now, expires_at=now
    )
    try:
        row.save(force_insert=True)
    except DatabaseError as error:
        if not is_full_database(error):
            raise
        logger.warning("the database's disk is full still; the next look is in %.0f s", pauses.length)
        return False
    row.delete()
    return True


def notices() -> list[Notice]:
    """That a full disk has stopped batches, since when, whether they go on by themselves, and what to free."""
    latest = stops().order_by("-pk").values("at")[:1]
    rows = stopped().annotate(since=Subquery(latest), goes_on=Case(When(may_go_on(), then=True), default=False))
    waiting = list(rows.values_list("since", "goes_on"))
    if not waiting:
        return []
    themselves = sum(goes_on for _, goes_on in waiting)
    return [Notice(STOPPED, min(at for at, _ in waiting), described(len(waiting), themselves))]


def described(batches: int, themselves: int) -> str:
    """`: 3 batches; 2 go on by themselves once there is room, the others wait for a person. Free …`."""
    go_on, others = number_agrees(themselves, "goes", "go"), batches - themselves
    whose = number_agrees(themselves, "itself", "themselves")
    parts = [f"{themselves:,} {go_on} on by {whose} once there is room"] if themselves else []
    parts += [f"{others:,} {number_agrees(others, 'waits', 'wait')} for a person to resume"] if others else []
    free = f" {where_to_free()}." if themselves else ""
    return f": {quantity(batches, 'batch', 'batches')}; {', '.join(parts)}.{free}"
