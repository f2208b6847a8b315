"""Where the portal looks for its files and writes its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchportal.places import state_directory
from tests.helpers.places import ROOT

pytestmark = pytest.mark.any_database
HOME = Path("/home/ana")


@pytest.mark.parametrize(
    ("platform", "environment", "place"),
    [
        ("linux", {}, HOME / ".local/state/batchportal"),
        ("linux", {"XDG_STATE_HOME": "/srv/state"}, Path("/srv/state/batchportal")),
        ("darwin", {"XDG_STATE_HOME": "/srv/state"}, HOME / "Library/Application Support/batchportal"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/batchportal")),
    ],
)
def test_it_writes_where_the_system_keeps_state(platform: str, environment: dict[str, str], place: Path) -> None:
    assert state_directory(platform, environment, HOME) == place


def test_it_writes_beside_the_code_in_a_checkout() -> None:
    from batchportal import places

    assert places.default_var() == ROOT / "var"
    assert places.TEMPLATES == ROOT / "templates"
