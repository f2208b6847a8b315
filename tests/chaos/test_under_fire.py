"""Short runs under fire; `make chaos` has the long ones. Each prints its seed and how to replay it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from tests.chaos import mutants
from tests.helpers.places import ROOT

ALWAYS = "kills"
"""Of the others, and of the broken engines, `make test` runs some, drawn by its seed."""
SHORT = {
    "kills": "--items 3000 --ms 1 --kills 7 --parents 1 --adjustments 1 --schemas 1",
    "many kills": "--items 9000 --ms 1 --kills 20 --parents 1 --adjustments 3 --schemas 2",
    "freezes": "--items 5000 --ms 2 --freezes 3 --disconnects 6",
    "servers": "--items 6000 --ms 2 --crashes 1 --brokers 2 --redeliveries 3 --pauses 3",
    "replies": "--items 3000 --ms 1 --replies 12 --clocks 5",
    "poison": "--items 3000 --ms 1 --poison 3",
    "disk": "--items 4000 --ms 2 --disks 2 --kills 2",
    "calls": "--processor call --items 600 --ms 5 --kills 5 --deploys 1 --parents 1",
    "asked": "--processor ask --items 600 --ms 10 --kills 10",
    "sqlite": "--database sqlite --lanes 1 --items 2500 --ms 1 --kills 8 --pauses 1",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == ALWAYS else pytest.mark.full) for name in SHORT]
)
def test_it_loses_and_doubles_nothing_whatever_is_done_to_it(name: str) -> None:
    if name == "disk" and not may_mount():
        pytest.skip("only root may mount a small disk")
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    command = [sys.executable, "-m", "tests.chaos.run", *SHORT[name].split()]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.full
@pytest.mark.parametrize("name", ["no keys", "believed"])
def test_it_sees_an_engine_that_is_broken(name: str) -> None:
    """The tester tested: `python -m tests.chaos.mutants` has them all."""
    assert mutants.caught(name)


def may_mount() -> bool:
    """Whether a file system of our own can be had here; a container may forbid it even to root."""
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode
        return mounted == 0 and subprocess.run(["umount", place], check=False).returncode == 0
