"""The page on which everything is paused, and that is lifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batches.lanes import global_pause
from batches.lanes.lane_counts import batches_at_work
from batches.models import GlobalPause
from batches.wording import number_agrees, quantity

SHOWN = 20


@dataclass(frozen=True, slots=True)
class PausePage:
    """What the button would do, and the record, the latest first. `pause`: the one in force."""

    pause: GlobalPause | None
    effects: Sequence[str]
    button: str
    pauses: Sequence[GlobalPause]


def pause_page() -> PausePage:
    pause = global_pause.in_force()
    return PausePage(
        pause=pause,
        effects=effects_of_lifting() if pause else effects_of_pausing(),
        button="Lift the pause" if pause else "Pause everything",
        pauses=list(GlobalPause.objects.all()[:SHOWN]),
    )


def effects_of_lifting() -> list[str]:
    waiting = global_pause.batches_held()
    goes = number_agrees(waiting, "goes", "go")
    return [f"{quantity(waiting, 'batch', 'batches')} {goes} on as before; what was paused by hand stays paused."]


def effects_of_pausing() -> list[str]:
    running = batches_at_work()
    stops = number_agrees(running, "stops", "stop")
    return [
        f"{quantity(running, 'batch', 'batches')} at work {stops} after the chunk in hand; nothing is begun then.",
        "Every batch keeps its status, and goes on by itself when this is lifted. New ones can be submitted, and wait.",
        "Mail and webhooks are sent all the same, and scripts that count by hand go on.",
    ]
