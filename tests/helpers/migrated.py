"""A PORTAL_VAR with a migrated database: made once a run, by whichever worker needs the first one, and copied."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.places import ROOT


def migrate(var: Path, environment: Mapping[str, str]) -> None:
    """Lay a fresh portal's files into the directory; outside a run of pytest they are made there."""
    if "PORTAL_TESTS_IN" not in os.environ:
        make(var, environment)
        return
    shared = Path(os.environ["PORTAL_TESTS_IN"])
    original = shared / "migrated"
    with (shared / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            make(shared / "migrating", environment)
            (shared / "migrating").rename(original)
    shutil.copytree(original, var, dirs_exist_ok=True)


def make(var: Path, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env={**environment, "PORTAL_VAR": str(var)}, check=True)
