"""What the portal writes is its user's alone, also where it was not so far."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from batchportal.private_files import claim
from tests.helpers.starts import start

pytestmark = pytest.mark.any_database


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    """As most systems have it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(var: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (var, *var.rglob("*")) if not path.is_symlink()}


def readable(var: Path) -> list[str]:
    """What others may read or write."""
    return [name for name, mode in modes(var).items() if mode & 0o077]


@pytest.mark.full
def test_it_starts_with_a_directory_of_its_own(tmp_path: Path) -> None:
    started = start(tmp_path / "state" / "var")
    assert (started.returncode, started.stderr) == (0, "")
    assert modes(tmp_path / "state" / "var")["secret_key"] == 0o600
    assert readable(tmp_path / "state" / "var") == []


def test_it_mends_one_that_others_could_read_and_says_so_once(tmp_path: Path) -> None:
    var, elsewhere = tmp_path / "var", tmp_path / "elsewhere"
    (var / "exports").mkdir(parents=True)
    (var / "portal.sqlite3").write_text("rows")
    (var / "exports" / "run.sh").write_text("")
    (var / "exports" / "run.sh").chmod(0o755)
    elsewhere.write_text("somebody else's")
    (var / "link").symlink_to(elsewhere)
    assert len(readable(var)) == 4
    started = start(var)
    assert (started.returncode, started.stderr.count("it is this user's alone now")) == (0, 1)
    assert readable(var) == []
    assert modes(var)["run.sh"] == 0o700
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
    assert start(var).stderr == ""


def test_it_refuses_a_directory_that_is_shared_on_purpose(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(ImproperlyConfigured, match="a directory of the portal's own"):
        claim(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_it_goes_on_where_it_may_not_mend_and_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a volume that belongs to somebody else."""
    tmp_path.chmod(0o755)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    claim(tmp_path)
    assert f"{tmp_path} and what else is not this user's still can." in capsys.readouterr().err
