"""Settings that are wrong stop the portal with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.starts import start


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
