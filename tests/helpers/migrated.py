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
    """Lay a fresh portal's files into the directory."""
    shared = Path(os.environ["PORTAL_TESTS_IN"])
    original = shared / "migrated"
    with (shared / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            begun = shared / "migrating"
            command = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(command, cwd=ROOT, env={**environment, "PORTAL_VAR": str(begun)}, check=True)
            begun.rename(original)
    shutil.copytree(original, var, dirs_exist_ok=True)
