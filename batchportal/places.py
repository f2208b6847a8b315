"""Where lies what the portal brings with it and what it writes, in a checkout and installed from a wheel."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSTALLED = (PACKAGE / "templates").is_dir()
"""A wheel has put the folders into the packages; in a checkout they stand beside them."""
BROUGHT = PACKAGE if INSTALLED else PACKAGE.parent
TEMPLATES = BROUGHT / "templates"
STATIC = [] if INSTALLED else [BROUGHT / "static"]
"""Folders of static files beside those of the apps, where Django finds the installed ones."""
SAMPLES = BROUGHT / "samples"


def default_var() -> Path:
    """Where everything written at run time goes unless PORTAL_VAR says otherwise: never beside an installed package."""
    return state_directory(sys.platform, os.environ, Path.home()) if INSTALLED else BROUGHT / "var"


def state_directory(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where a system keeps what a user's programs write: the same from every working directory."""
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "batchportal"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "batchportal"
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "batchportal"
