"""Short runs under fire; `make chaos` has the long ones. Each prints its seed and how to replay it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT = {
    "kills": "--items 12000 --ms 1 --kills 25 --parents 1",
    "freezes": "--items 6000 --ms 2 --freezes 4 --disconnects 6",
    "servers": "--items 6000 --ms 2 --crashes 1 --brokers 2 --redeliveries 3 --pauses 3",
    "sqlite": "--database sqlite --lanes 1 --items 6000 --ms 1 --kills 15 --pauses 2",
}


@pytest.mark.parametrize("name", SHORT)
def test_it_loses_and_doubles_nothing_whatever_is_done_to_it(name: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    command = [sys.executable, "-m", "tests.chaos.run", *SHORT[name].split()]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
