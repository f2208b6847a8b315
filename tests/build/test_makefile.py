"""What `make` decides before it does anything."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.helpers.places import ROOT


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ([], ".venv"),
        (["PYTHON=python3"], ".venv"),
        (["PYTHON=python3.13"], ".venv-python3.13"),
        (["PYTHON=/opt/python/bin/python3.12"], ".venv-python3.12"),
    ],
)
def test_it_has_an_environment_for_each_python(given: list[str], environment: str) -> None:
    command = ["make", "--silent", "--eval", "where: ; @echo $(VENV) $(BIN)", "where", *given]
    shown = subprocess.run(command, cwd=ROOT, env=as_begun_anew(), capture_output=True, text=True, check=True).stdout
    assert shown.split() == [environment, f"{environment}/bin"]


def as_begun_anew() -> dict[str, str]:
    """The environment without what the make that runs these tests was given, as another Python."""
    return {name: value for name, value in os.environ.items() if name != "PYTHON" and not name.startswith("MAKE")}


def test_it_keeps_bytecode_whatever_its_environment_says() -> None:
    """Python takes an empty value for none."""
    command = ["make", "--silent", "--eval", 'kept: ; @echo "[$$PYTHONDONTWRITEBYTECODE]"', "kept"]
    environment = {**as_begun_anew(), "PYTHONDONTWRITEBYTECODE": "1"}
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
