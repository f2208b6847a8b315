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
from datetime import timedelta
from pathlib import Path

from tests.bench.prediction_replay import Kept, report, written
from tests.bench.prediction_stories import WITH_EVIDENCE, WITHOUT_EVIDENCE, Story, do

STORIES = 15
SIZES = (60, 160)
"""The fewest items of a story, and the most."""


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
    call_command("migrate", verbosity=0)
    outcomes.retry_delay = lambda exception, attempt: timedelta(0)
    kept = tell_all(arguments.stories, tuple(arguments.sizes), random.Random(arguments.seed))
    if arguments.keep:
        arguments.keep.write_text(written(kept))
    report(kept, [*WITHOUT_EVIDENCE, *WITH_EVIDENCE], WITH_EVIDENCE)


def tell_all(times: int, sizes: tuple[int, int], chance: random.Random) -> list[Kept]:
    from batches.processors import processor

    stories = WITHOUT_EVIDENCE | WITH_EVIDENCE
    slugs = {kind: f"k{number}" for number, kind in enumerate(stories)}
    kept: list[Kept] = []
    order = [(kind, number) for kind in stories for number in range(times)]
    chance.shuffle(order)
    for kind, number in order:
        story = Story(f"{slugs[kind]}n{number}-s", sizes, chance)
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
