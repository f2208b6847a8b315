"""The pause of everything: while it is in force no worker takes an item, whatever status its batch has."""

from __future__ import annotations

from django.db.models import Exists, QuerySet, Subquery

from batches.compiled_query import CompiledQuery
from batches.extensions import Notice
from batches.models import Batch, GlobalPause
from batches.wording import quantity


def in_force() -> GlobalPause | None:
    """The one that is in force."""
    return GlobalPause.objects.filter(in_force=True).first()


def is_on() -> bool:
    """Whether everything is paused."""
    return GlobalPause.objects.filter(in_force=True).exists()


def is_in_force() -> Exists:
    """The same as a condition, for use within a statement."""
    return Exists(GlobalPause.objects.filter(in_force=True))


def goes_on(batch_id: str) -> bool:
    """Whether the batch is to be worked on still: nobody has paused or ended it, or paused everything."""
    return any(GOES_ON.rows([batch_id]))


def going_on(batch_ids: list[str]) -> QuerySet[Batch, tuple[str]]:
    return Batch.objects.filter(~is_in_force(), pk__in=batch_ids, status=Batch.Status.RUNNING).values_list("pk")


GOES_ON = CompiledQuery(lambda batch_ids: going_on(batch_ids).order_by())


def since_column() -> Subquery:
    """Since when, as a column of a statement's rows; null while nothing is paused."""
    return Subquery(GlobalPause.objects.filter(in_force=True).values("began_at"))


def by_whom(pause: GlobalPause) -> str:
    """` by ana`; empty where nobody signed."""
    return f" by {pause.actor}" if pause.actor else ""


def sentence(reason: str) -> str:
    """The reason with a full stop, for others to follow."""
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."


def batches_held() -> int:
    """Batches that workers would go on with, were everything not paused."""
    return Batch.objects.filter(status__in=Batch.WORKABLE).exclude(processor="").count()


def notices() -> list[Notice]:
    """That everything is paused, if so, since when, by whom, why, and how many batches wait."""
    pause = in_force()
    if pause is None:
        return []
    waiting = batches_held()
    batches = f" {quantity(waiting, 'batch waits', 'batches wait')}." if waiting else ""
    why = f"{by_whom(pause)}: {sentence(pause.reason)}{batches}"
    return [Notice("Everything is paused since", pause.began_at, why)]
