"""An environment for each peer, apart from the portal's: made once and kept below `PORTAL_VAR`, else below `var`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.helpers.places import ROOT

HERE = Path(__file__).parent
PATIENCE = 900
"""Seconds for the packages of one peer."""


class NotToBeHad(Exception):
    """The packages of a peer cannot be installed here."""


def requirements_of(module: str) -> Path:
    return HERE / f"requirements-{module}.txt"


def python_of(module: str) -> str:
    """The interpreter that has the peer's packages; the portal's own for what names none. Raises `NotToBeHad`."""
    requirements = requirements_of(module)
    if not requirements.exists():
        return sys.executable
    wanted = hashlib.sha256(f"{sys.version}\n{requirements.read_text()}".encode()).hexdigest()[:12]
    place = Path(os.environ.get("PORTAL_VAR") or ROOT / "var").resolve() / "peers" / f"{module}-{wanted}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run(
                [*pip, "-r", str(requirements)], check=True, capture_output=True, text=True, timeout=PATIENCE
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(error.stderr or error, file=sys.stderr)
            raise NotToBeHad(f"its packages could not be installed with Python {sys.version.split()[0]}")
        (place / "complete").touch()
    return str(python)


def version_of(module: str) -> str:
    """That of the package which the module is named for; empty for the portal."""
    requirements = requirements_of(module)
    if not requirements.exists():
        return ""
    pins = dict(line.split("==") for line in requirements.read_text().split())
    return next(version for name, version in pins.items() if name.lower().replace("-", "_") == module)
