"""What docs/benchmarks.md says was measured is what the bench measures, and its sums are right."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.peers import environments, rendering
from tests.bench.peers.processor_time import seconds_of
from tests.bench.peers.registry import PEERS, PORTAL, Peer
from tests.bench.peers.timing import Run

MODULES = sorted({peer.module for peer in PEERS})
CELERY = next(peer for peer in PEERS if peer.name == "celery-kept")


def test_it_tells_of_each_peer_that_the_bench_knows_and_of_no_other() -> None:
    written = report.section("peers").splitlines()
    rows = {line.split(" | ")[0].removeprefix("| ") for line in written if line.startswith("| ")} - {"|", "---"}
    left_out = {line.removeprefix("- ").split(": ")[0] for line in written if line.startswith("- ")}
    assert rows | left_out == {peer.title for peer in PEERS}
    assert PORTAL.title in rows


def test_it_names_each_peer_once() -> None:
    assert len({peer.name for peer in PEERS}) == len({peer.title for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("module", MODULES)
def test_it_finds_what_a_peer_is_asked_for(module: str) -> None:
    tree = ast.parse((environments.HERE / f"{module}.py").read_text())
    assert {"prepare", "enqueue", "work"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("module", [module for module in MODULES if module != PORTAL.module])
def test_it_pins_each_package_of_a_peer(module: str) -> None:
    pins = environments.requirements_of(module).read_text().split()
    assert all(pin.count("==") == 1 for pin in pins)
    assert environments.version_of(module)


def test_it_compares_within_a_round() -> None:
    """Medians of the ratios, not ratios of the medians: a round in which the machine was busy was so for both."""
    portal = [Run(1_000, 100, 100), Run(100, 100, 100), Run(2_000, 100, 100)]
    peer = [Run(50, 500, 300), Run(5, 500, 300), Run(200, 500, 100)]
    faster, more = rendering.ratios(peer, portal)
    assert faster == [20, 20, 10]
    assert more == [4, 4, 3]
    assert rendering.row(CELERY, "5.7.0", 2_000, peer, portal) == (
        "| Celery, a task an item, connections kept | 5.7.0 | 2,000 | 50 (5-200) | 20.0 (10.0-20.0) | ≥ 20: met "
        "| 500 + 300 | 4.0 (3.0-4.0) |"
    )


def test_it_says_what_was_missed_and_who_was_left_out() -> None:
    runs = {PORTAL: [Run(1_900, 100, 100)], CELERY: [Run(100, 500, 300)]}
    absent = Peer("absent", "Absent, as installed", "absent", "SELECT 0")
    items, versions = {PORTAL: 20_000, CELERY: 2_000}, {PORTAL: "", CELERY: "5.7.0"}
    text = rendering.rendered(runs, items, versions, {absent: "its packages could not be installed"}, "A machine.")
    assert text.startswith("A machine.\n")
    assert "- Absent, as installed: its packages could not be installed." in text
    assert text.endswith(f"Goals missed: {CELERY.title}.")


def test_it_writes_a_section_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nafter\n")
    report.write_section("peers", "new", page)
    assert page.read_text() == "before\n<!-- peers: begin -->\n\nnew\n\n<!-- peers: end -->\nafter\n"
    assert report.section("peers", page) == "new"
    with pytest.raises(LookupError):
        report.write_section("engine", "new", page)


def test_it_counts_the_processor_time_of_processes_that_have_ended() -> None:
    before = seconds_of(os.getpid())
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert seconds_of(os.getpid()) - before >= 0.25  # it is told in hundredths
