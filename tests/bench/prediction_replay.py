"""Predictions again, of what stories brought: `python -m tests.bench.prediction_replay FILE…`.

`python -m tests.bench.triage_predictions --keep FILE` keeps what was known before each compared retry, and what came of
it. A rule that has changed is judged by that in a second, where the stories take a quarter of an hour. Beside each
width stands that of luck alone: the interval of who knows with what chance each item passes, and nothing more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from errors.advice.evidence import Evidence
from errors.advice.facts import Prediction
from errors.advice.posterior import Share, outcome_of_shares
from errors.advice.predictions import recoveries_of, total

CERTAIN = 1e6
"""Items that a share counts for which is known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of the failures of one group before a retry; `permanent` of the items cannot pass unchanged."""

    category: str
    items: int
    permanent: int
    evidence: Evidence

    @property
    def predicted(self) -> Prediction:
        return recoveries_of(self.category, self.items, self.evidence, permanent=self.permanent == self.items)


@dataclass(frozen=True, slots=True)
class Kept:
    """One compared retry of a story: what was known before, how many items were tried, how many recovered.

    `held` is None where nothing was known; an interval of none to all counts as not held. `width` is a share of items.
    """

    kind: str
    items: int
    recovered: int
    groups: Sequence[Known]
    held: bool | None
    width: float

    def predicted_again(self) -> Kept:
        predicted = total([group.predicted for group in self.groups])
        if predicted.mid is None:
            return replace(self, held=None, width=1.0)
        width = (predicted.high - predicted.low) / self.items
        return replace(self, held=width < 1 and predicted.low <= self.recovered <= predicted.high, width=width)

    @property
    def luck(self) -> float:
        share = (self.recovered + 0.5) / (self.items + 1)
        low, _, high = outcome_of_shares(self.items, [Share(CERTAIN * share, CERTAIN * (1 - share))])
        return (high - low) / self.items


def known_before(batch_id: str, scope: Mapping[str, Any]) -> list[Known]:
    """Read from the database, as a forecast reads it."""
    from batches.lifecycle import retry_selection, scopes
    from batches.models import Batch
    from errors.recovery.evidence_queries import evidence_of
    from errors.recovery.forecast import last_failures

    batch = Batch.objects.get(pk=batch_id)
    condition = scopes.condition(batch, *scopes.only_scope(scope))
    items = retry_selection.select_failed(batch, condition, permanent=False, quarantined_too=False).items
    failures = last_failures(batch, items, kept={})
    evidence = evidence_of(batch, {row.fingerprint: row.category for row in failures}, items)
    return [Known(row.category, row.items, row.permanent, evidence[row.fingerprint]) for row in failures]


def written(kept: Iterable[Kept]) -> str:
    return "".join(f"{json.dumps(asdict(each))}\n" for each in kept)


def read(path: str) -> Iterator[Kept]:
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        groups = [Known(**{**group, "evidence": evidence_from(group["evidence"])}) for group in row["groups"]]
        yield Kept(**{**row, "groups": groups})


def evidence_from(row: Mapping[str, Any]) -> Evidence:
    waiting = row["waiting"]
    tries = {name: [tuple(tried) for tried in value] for name, value in row.items() if name != "waiting"}
    return Evidence(**tries, waiting=waiting)


def in_words(kept: Sequence[Kept]) -> str:
    compared = [each for each in kept if each.held is not None]
    unknown = len(kept) - len(compared)
    if not compared:
        return f"{unknown} of {len(kept)} not known yet"
    held, width = sum(bool(each.held) for each in compared), median(each.width for each in compared)
    luck = median(each.luck for each in compared)
    share = f"{held} of {len(compared)} held ({held / len(compared):.0%})"
    return f"{share}, median width {width:.0%}, of luck alone {luck:.0%}, {unknown} of {len(kept)} not known yet"


def report(kept: Sequence[Kept], kinds: Iterable[str], with_evidence: Collection[str]) -> None:
    for kind in kinds:
        print(f"  {kind}: {in_words([each for each in kept if each.kind == kind])}")
    print(f"all: {in_words(kept)} (at least 90 % hold)")
    evidence = [each for each in kept if each.kind in with_evidence]
    print(f"with evidence: {in_words(evidence)} (median width at most 20 %, at most 40 % not known)")


def main() -> None:
    from tests.bench.prediction_stories import WITH_EVIDENCE, WITHOUT_EVIDENCE

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+")
    kept = [each.predicted_again() for path in parser.parse_args().files for each in read(path)]
    report(kept, [*WITHOUT_EVIDENCE, *WITH_EVIDENCE], WITH_EVIDENCE)


if __name__ == "__main__":
    main()
