"""The embedded default's secret key is made once and kept private."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from batchportal.secret_key import read_or_create_secret_key
from tests.helpers.places import ROOT

READ = "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import batchportal.secret_key as s; "
READ += "print(s.read_or_create_secret_key(pathlib.Path(sys.argv[2])))"


def test_it_makes_one_key_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    key = read_or_create_secret_key(path)
    assert len(key) >= 50
    assert read_or_create_secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_refuses_a_key_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    read_or_create_secret_key(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_or_create_secret_key(path)


@pytest.mark.full
def test_it_gives_processes_that_start_together_one_key(tmp_path: Path) -> None:
    source = READ.replace(
        "import batchportal.secret_key as s",
        "import importlib.util as u; "
        "m = u.spec_from_file_location('s', sys.argv[1] + '/batchportal/secret_key.py'); "
        "s = u.module_from_spec(m); m.loader.exec_module(s)",
    )
    command = [sys.executable, "-c", source, str(ROOT), str(tmp_path / "secret_key")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(20)]
    keys = {process.communicate()[0].strip() for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
