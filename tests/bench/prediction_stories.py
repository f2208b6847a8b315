"""Stories of batches whose items fail and are retried, each up to the retry that the bench of predictions compares."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.prediction_replay import Known, known_before

Fault = Callable[[str], BaseException]


@dataclass(slots=True)
class World:
    """What the processor meets: items named in `dead` never pass, the others with the chance `passes`."""

    chance: random.Random
    passes: float = 0.0
    dead: frozenset[int] = frozenset()
    fault: Fault = ConnectionError
    text: str = "no answer"
    faults: Sequence[tuple[Fault, str]] = ()


WORLD = World(random.Random(0))


def do(payload: dict[str, Any], context: Any) -> None:
    n = payload["n"]
    if n not in WORLD.dead and WORLD.chance.random() < WORLD.passes:
        return
    fault, text = WORLD.faults[n % len(WORLD.faults)] if WORLD.faults else (WORLD.fault, WORLD.text)
    raise fault(text)


# -- stories -----------------------------------------------------------------------------------------------------------


class Story:
    """A batch whose items all fail at first, retried step by step; the last retry is the one compared."""

    def __init__(self, name: str, sizes: tuple[int, int], chance: random.Random) -> None:
        self.name, self.sizes, self.chance = name, sizes, chance
        self.items = chance.randint(*sizes)
        self.done = 0
        self.known: list[Known] = []
        self.compared: Any = None

    def fails(self, fault: Fault, text: str = "no answer", attempts: int = 1, passes: float = 0.0, **more: Any) -> None:
        from batches import operations
        from batches.engine import runner

        set_world(self.chance, fault=fault, text=text, passes=passes, **more)
        rows = [{"n": n} for n in range(self.items)]
        operations.submit(
            processor=self.processor, items=rows, batch_id=self.name, max_attempts=attempts, max_error_rate=None
        )
        operations.start(self.name)
        runner.work_until_idle(self.name)

    @property
    def processor(self) -> str:
        return f"bench.{self.name.rpartition('-')[0]}"

    def retried(self, passes: float, first: int | None = None, **more: Any) -> None:
        from batches import operations
        from batches.engine import runner

        WORLD.passes = passes
        for name, value in more.items():
            setattr(WORLD, name, value)
        scope: dict[str, Any] = {"all_failed": True}
        if first is not None:
            scope = {"positions": [0, first - 1]}
        elif self.done:
            scope = {"positions": [self.done, self.items - 1]}
        self.done = first or 0
        self.known = known_before(self.name, scope)
        self.compared = operations.retry(self.name, permanent=True, **scope)
        runner.work_until_idle(self.name)

    def some(self, share: float) -> frozenset[int]:
        return frozenset(n for n in range(self.items) if self.chance.random() < share)


def set_world(chance: random.Random, **values: Any) -> None:
    for name, value in {"dead": frozenset(), "faults": (), "passes": 0.0, **values}.items():
        setattr(WORLD, name, value)
    WORLD.chance = chance


def once(fault: Fault, passes: float, text: str = "no answer") -> Callable[[Story], None]:
    """The first retry, nothing was tried before."""

    def tell(story: Story) -> None:
        story.fails(fault, text)
        story.retried(passes)

    return tell


def twice(fault: Fault, passes: float, dead: float = 0.0) -> Callable[[Story], None]:
    """All of them, and what failed again once more; `dead` is the share that never passes."""

    def tell(story: Story) -> None:
        story.fails(fault)
        story.retried(passes, dead=story.some(dead))
        story.retried(passes)

    return tell


def three_times(fault: Fault, passes: float, dead: float = 0.0) -> Callable[[Story], None]:
    def tell(story: Story) -> None:
        twice(fault, passes, dead)(story)
        story.retried(passes)

    return tell


def some_first(part: float, passes: float) -> Callable[[Story], None]:
    """A part by its positions, then the rest."""

    def tell(story: Story) -> None:
        story.fails(RuntimeError, "refused for now")
        story.retried(passes, first=max(20, round(part * story.items)))
        story.retried(passes)

    return tell


def failed_otherwise(story: Story) -> None:
    """At the retry they fail in a new way, of which nothing is known."""
    story.fails(ConnectionError)
    story.retried(0.1, fault=TimeoutError, text="too slow")
    story.retried(0.8)


def by_themselves(passes: float, dead: float = 0.0, fault: Fault = ConnectionError) -> Callable[[Story], None]:
    """Automatic attempts had told."""

    def tell(story: Story) -> None:
        story.items *= 2
        story.fails(fault, attempts=3, passes=passes, dead=story.some(dead))
        story.retried(passes)

    return tell


def earlier_batches(passes: float, spread: float) -> Callable[[Story], None]:
    """Four batches of the processor before this one, each with a share of its own."""

    def tell(story: Story) -> None:
        failed_before(story, passes, spread)
        story.retried(story.chance.uniform(passes - spread, passes + spread))

    return tell


def failed_before(story: Story, passes: float, spread: float) -> None:
    for number in range(4):
        before = Story(f"{story.name}x{number}", story.sizes, story.chance)
        before.fails(OSError, "the printer is out of paper")
        before.retried(story.chance.uniform(passes - spread, passes + spread))
    story.fails(OSError, "the printer is out of paper")


def canary_after_earlier_batches(passes: float, spread: float) -> Callable[[Story], None]:
    """The same, and twenty first."""

    def tell(story: Story) -> None:
        failed_before(story, passes, spread)
        share = story.chance.uniform(passes - spread, passes + spread)
        story.retried(share, first=20)
        story.retried(share)

    return tell


def three_groups(story: Story) -> None:
    """Three kinds of failures, half of them retried before."""
    faults = ((ConnectionError, "no answer"), (TimeoutError, "too slow"), (RuntimeError, "refused for now"))
    story.fails(RuntimeError, faults=faults)
    story.retried(0.5, first=story.items // 2)
    story.retried(0.5)


WITHOUT_EVIDENCE: dict[str, Callable[[Story], None]] = {
    "network, over": once(ConnectionError, 0.98),
    "network, half over": once(ConnectionError, 0.5),
    "network, still down": once(ConnectionError, 0.0),
    "network, flaky": once(ConnectionError, 0.3),
    "time-outs, 30 % pass": once(TimeoutError, 0.3),
    "time-outs, 90 % pass": once(TimeoutError, 0.9),
    "unknown, none passes": once(RuntimeError, 0.0, "refused for now"),
    "unknown, all pass": once(RuntimeError, 1.0, "refused for now"),
    "validation, unchanged": once(ValueError, 0.0, "amount must be positive"),
}
WITH_EVIDENCE: dict[str, Callable[[Story], None]] = {
    "again, flaky 30 %": three_times(ConnectionError, 0.3),
    "again, flaky 70 %": three_times(ConnectionError, 0.7),
    "again, half can never pass": three_times(ConnectionError, 0.9, 0.5),
    "again, none ever passes": twice(ConnectionError, 0.0),
    "20 first, 50 % pass": some_first(0.0, 0.5),
    "20 first, 95 % pass": some_first(0.0, 0.95),
    "half first, 50 % pass": some_first(0.5, 0.5),
    "nine tenths first, 50 % pass": some_first(0.9, 0.5),
    "failed otherwise at the retry": failed_otherwise,
    "attempts by themselves, flaky": by_themselves(0.3),
    "attempts by themselves, some dead": by_themselves(0.9, 0.4),
    "earlier batches agree": earlier_batches(0.7, 0.03),
    "earlier batches differ": earlier_batches(0.5, 0.3),
    "none passed in earlier batches": earlier_batches(0.03, 0.03),
    "20 first, earlier batches agree": canary_after_earlier_batches(0.7, 0.03),
    "20 first, earlier batches differ": canary_after_earlier_batches(0.5, 0.3),
    "three groups, 50 % pass": three_groups,
    "twice, half can never pass": twice(RuntimeError, 0.9, 0.5),
    "twice, flaky 50 %": twice(RuntimeError, 0.5),
}
