"""The table that the runs come to."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from tests.bench.peers.registry import PEERS, PORTAL, Peer
from tests.bench.peers.timing import Run

HEADER = """\
| | version | items | items/s | the portal / it | goal | CPU an item, µs: worker + servers | CPU: it / the portal |
| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |"""


def spread(figures: Sequence[float], digits: int = 0) -> str:
    """The median, with the least and the greatest."""
    middle, least, most = statistics.median(figures), min(figures), max(figures)
    return f"{middle:,.{digits}f} ({least:,.{digits}f}-{most:,.{digits}f})"


def ratios(peer: Sequence[Run], portal: Sequence[Run]) -> tuple[list[float], list[float]]:
    """Round by round: by how much the portal was faster, and how many times its CPU time the peer took an item."""
    pairs = list(zip(peer, portal, strict=True))
    return [mine.speed / its.speed for its, mine in pairs], [its.cpu / mine.cpu for its, mine in pairs]


def goal(peer: Peer, faster: Sequence[float]) -> str:
    if peer.at_least is None:
        return ""
    return f"≥ {peer.at_least:g}: {'met' if statistics.median(faster) >= peer.at_least else 'MISSED'}"


def row(peer: Peer, version: str, items: int, runs: Sequence[Run], portal: Sequence[Run]) -> str:
    faster, more = ratios(runs, portal)
    itself = peer is PORTAL
    cpu = f"{statistics.median(run.client for run in runs):,.0f} + {statistics.median(run.server for run in runs):,.0f}"
    cells = (
        *(peer.title, version, f"{items:,}", spread([run.speed for run in runs])),
        *("" if itself else spread(faster, 1), goal(peer, faster), cpu, "" if itself else spread(more, 1)),
    )
    return f"| {' | '.join(cells)} |"


def rendered(
    runs: Mapping[Peer, Sequence[Run]],
    items: Mapping[Peer, int],
    versions: Mapping[Peer, str],
    left_out: Mapping[Peer, str],
    about: str,
) -> str:
    """The section of docs/benchmarks.md: where and when, a row for each that ran, and those that did not."""
    lines = [about, "", HEADER]
    lines += [row(peer, versions[peer], items[peer], runs[peer], runs[PORTAL]) for peer in PEERS if peer in runs]
    missing = [f"- {peer.title}: {why}." for peer, why in left_out.items()]
    lines += ["", *(["Left out:", "", *missing] if missing else ["Nobody was left out."])]
    missed = [peer.title for peer in runs if "MISSED" in goal(peer, ratios(runs[peer], runs[PORTAL])[0])]
    lines += ["", f"Goals missed: {'; '.join(missed)}." if missed else "Every goal was met."]
    return "\n".join(lines)
