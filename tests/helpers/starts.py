"""Starts a process of the portal with an environment of its own, to see whether it takes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.places import ROOT


def start(var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import django; django.setup()"]
    settings = {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "PORTAL_VAR": str(var)}
    whole = {**os.environ, "SECRET_KEY": "", **settings, **environment}
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=False)
