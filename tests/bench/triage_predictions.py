"""Whether predictions of retries hold: `python -m tests.bench.triage_predictions [--seed N] [--stories N]`.

Stories really run by the engine, so many of each kind in an order drawn at random, on one SQLite database: what was
retried in one is what the portal knows in the next. Each ends in a retry that is compared with its prediction; an
interval of none to all counts as not held.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.bench.prediction_replay import Kept, Known, known_before, report, written

STORIES = 15
SIZES = (60, 160)
"""The fewest items of a story, and the most."""
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

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name, self.chance = name, chance
        self.items = chance.randint(*SIZES)
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
        before = Story(f"{story.name}x{number}", story.chance)
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


# -- the bench ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """In a process of its own, since Django is told its database at its start."""
    with tempfile.TemporaryDirectory() as var:
        environment = {**os.environ, "PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
        environment |= {"LOG_LEVEL": "ERROR", "CELERY_BROKER_URL": "memory://", "PORTAL_BENCH_INSIDE": "1"}
        command = [sys.executable, "-u", "-m", "tests.bench.triage_predictions", *sys.argv[1:]]
        subprocess.run(command, env=environment, check=True)


def inside() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from batches.lanes import outcomes

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=8_128)
    parser.add_argument("--stories", type=int, default=STORIES)
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="fewest and most items of a story")
    parser.add_argument("--keep", type=Path, help="what prediction_replay reads")
    arguments = parser.parse_args()
    globals()["SIZES"] = tuple(arguments.sizes)
    call_command("migrate", verbosity=0)
    outcomes.retry_delay = lambda exception, attempt: timedelta(0)
    kept = tell_all(arguments.stories, random.Random(arguments.seed))
    if arguments.keep:
        arguments.keep.write_text(written(kept))
    report(kept, [*WITHOUT_EVIDENCE, *WITH_EVIDENCE], WITH_EVIDENCE)


def tell_all(times: int, chance: random.Random) -> list[Kept]:
    from batches.processors import processor

    stories = WITHOUT_EVIDENCE | WITH_EVIDENCE
    slugs = {kind: f"k{number}" for number, kind in enumerate(stories)}
    kept: list[Kept] = []
    order = [(kind, number) for kind in stories for number in range(times)]
    chance.shuffle(order)
    for kind, number in order:
        story = Story(f"{slugs[kind]}n{number}-s", chance)
        processor(story.processor)(do)
        stories[kind](story)
        kept.append(kept_of(kind, story))
    return kept


def kept_of(kind: str, story: Story) -> Kept:
    """With the comparison that the portal itself keeps of the retry."""
    from errors.recovery import kept_predictions
    from errors.recovery.kept_predictions import Comparison

    kept_predictions.compare(story.name)
    story.compared.refresh_from_db()
    comparison = Comparison(story.compared)
    width = comparison.width if comparison.held is not None else 1.0
    held = comparison.held and width < 1
    return Kept(kind, story.compared.items, comparison.recovered, story.known, held, width)


if __name__ == "__main__":
    inside() if os.environ.get("PORTAL_BENCH_INSIDE") else main()
