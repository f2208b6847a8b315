"""Settings that are wrong stop the portal with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.places import ROOT


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import django; django.setup()"]
    settings = {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "PORTAL_VAR": str(tmp_path)}
    whole = {**os.environ, "SECRET_KEY": "", **settings, **environment}
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=False)


def test_it_starts_with_nothing_set(tmp_path: Path) -> None:
    assert start(tmp_path).returncode == 0
    assert (tmp_path / "secret_key").exists()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SECRET_KEY": "django-insecure-" + "abcdefghij" * 5}, "SECRET_KEY is too weak"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too weak"),
        ({"SECRET_KEY": "My-Portal-Key-2024!" * 4}, "it follows a pattern"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "portal.example.com,."}, "'.' is refused"),
        ({"PORTAL_ITEM_TIMEOUT": "50"}, "PORTAL_ITEM_TIMEOUT < PORTAL_IDLE_SECONDS"),
    ],
)
def test_it_refuses_settings_that_are_unsafe(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    ended = start(tmp_path, **environment)
    assert ended.returncode != 0
    assert words in ended.stderr
