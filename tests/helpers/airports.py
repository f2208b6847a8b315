"""The sample of airports as a batch that is watched."""

from __future__ import annotations

from tests.helpers.places import SAMPLE, SCHEMA
from tests.helpers.portal import Portal


def submitted_airports(portal: Portal, name: str, rate: int = 60) -> str:
    """The airports, as fast as leaves time for watching them on a busy machine."""
    made = portal.manage(
        *("batch", "run", "check_rows", str(SAMPLE), "--id", name, "--key-column", "iata"),
        *("--param", f"schema=@{SCHEMA}", "--rate", str(rate), "--detach"),
    )
    assert made.returncode == 0, made.stderr
    return name


def let_it_run(portal: Portal, name: str) -> None:
    """From here on nothing is watched any more but the end."""
    assert portal.manage("batch", "adjust", name, "--rate", "none").returncode == 0
