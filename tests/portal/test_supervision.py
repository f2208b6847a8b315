"""Keeper and worker end together, whichever is killed, and `run` starts again what was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batchportal.worker import Keeper
from tests.helpers.places import ROOT
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.any_database
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
WORKER = "import os, sys, time; {prelude}; open(sys.argv[1], 'a').write(str(os.getpid()) + '\\n'); time.sleep(600)"
KEEPER = """
import sys
from batchportal import worker
worker.COMMAND = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
sys.exit(worker.Keeper(grace=0.5).run())
"""
RUN = """
import shlex, sys
from honcho.printer import Printer
from batchportal.supervision import Supervisor
manager = Supervisor(Printer(sys.stdout, colour=False))
for name in ("web", "worker"):
    manager.add_process(name, "exec " + shlex.join([sys.executable, "-c", sys.argv[1], sys.argv[2] + name]))
manager.loop()
"""


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as processes:
        yield processes


def start(started: ExitStack, source: str, place: Path, prelude: str = "0") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", source, WORKER.format(prelude=prelude), str(place)]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    started.callback(process.stdout.close)
    started.callback(process.wait)
    started.callback(process.kill)
    return process


def pids(place: Path) -> list[int]:
    return [int(line) for line in place.read_text().split("\n") if line] if place.exists() else []


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no child of its parent's death")
def test_a_worker_ends_with_its_keeper_that_was_killed(started: ExitStack, tmp_path: Path) -> None:
    keeper = start(started, KEEPER, tmp_path / "pids")
    wait_until(lambda: len(pids(tmp_path / "pids")) == 1)
    os.kill(keeper.pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pids(tmp_path / "pids")[0]))


def test_a_worker_that_was_killed_is_started_again(started: ExitStack, tmp_path: Path) -> None:
    start(started, KEEPER, tmp_path / "pids")
    wait_until(lambda: len(pids(tmp_path / "pids")) == 1)
    os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
    wait_until(lambda: len(pids(tmp_path / "pids")) == 2)


def test_a_worker_that_does_not_end_is_ended_once_its_grace_is_over(started: ExitStack, tmp_path: Path) -> None:
    keeper = start(started, KEEPER, tmp_path / "pids", STUBBORN)
    wait_until(lambda: len(pids(tmp_path / "pids")) == 1)
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(PATIENCE) == 0
    assert is_gone(pids(tmp_path / "pids")[0])


def test_run_starts_again_what_was_killed_and_ends_all_on_ctrl_c(started: ExitStack, tmp_path: Path) -> None:
    run = start(started, RUN, tmp_path / "pids-")
    web, worker = tmp_path / "pids-web", tmp_path / "pids-worker"
    wait_until(lambda: len(pids(web)) == len(pids(worker)) == 1)
    os.kill(pids(worker)[0], signal.SIGKILL)
    wait_until(lambda: len(pids(worker)) == 2)
    assert len(pids(web)) == 1
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=PATIENCE)
    assert "worker was killed; it is started again" in out
    assert all(map(is_gone, [*pids(web), *pids(worker)]))


def test_web_and_worker_end_with_a_run_that_was_killed(started: ExitStack, tmp_path: Path) -> None:
    """Otherwise they would go on, hold the port, and the next run would not start."""
    run = start(started, RUN, tmp_path / "pids-")
    web, worker = tmp_path / "pids-web", tmp_path / "pids-worker"
    wait_until(lambda: len(pids(web)) == len(pids(worker)) == 1)
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, [*pids(web), *pids(worker)])), seconds=30)


def test_a_keeper_that_was_told_to_stop_starts_nothing() -> None:
    keeper = Keeper()
    keeper.stopping = True
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert keeper.run() == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
