"""Keys that can be guessed and hosts that are any host are told from those that are safe."""

from __future__ import annotations

import secrets
import string
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management.utils import get_random_secret_key

from batchportal.safe_settings import too_wide_hosts, weakness

pytestmark = pytest.mark.any_database

RANDOM = "Un6lgAONdbiU0mlW2I5oKAcETlyObNLtMCjhe0yX3OvzqvShQQrFbQM03uAnuhWaNszAVdL"
WEAK = {
    "": "fewer than 50",
    RANDOM[:40]: "fewer than 50",
    "x" * 60: "different characters",
    "P@ssw0rd" * 8: "different characters",
    "django-insecure-" + RANDOM: "'insecure'",
    RANDOM + "CHANGEME": "'changeme'",
    "abcdefghij" * 5: "pattern",
    "0123456789" * 6: "pattern",
    "a1b2c3d4e5" * 6: "pattern",
    "correct horse battery staple" * 2: "pattern",
    string.ascii_letters: "pattern",
    "qwertyuiopasdfghjklzxcvbnm1234567890QWERTYUIOPASDFGHJKL": "pattern",
}


@pytest.mark.parametrize(("key", "why"), WEAK.items())
def test_it_calls_weak_what_can_be_guessed(key: str, why: str) -> None:
    assert why in weakness(key)


@pytest.mark.parametrize(
    "make", [lambda: secrets.token_urlsafe(50), lambda: secrets.token_hex(32), get_random_secret_key]
)
def test_it_takes_what_is_random(make: Any) -> None:
    assert {weakness(make()) for _ in range(200)} == {""}


def test_it_refuses_entries_that_stand_for_any_host() -> None:
    named = ["portal.example.com", ".example.com", "127.0.0.1", "[::1]", "localhost"]
    assert too_wide_hosts([*named, "*", ".", "*.example.com", "", " . "]) == ["*", ".", "*.example.com", "", " . "]


@pytest.mark.parametrize(("debug", "level"), [(False, "Error"), (True, "Warning")])
def test_its_checks_have_numbers(settings: Any, debug: bool, level: str) -> None:
    assert run_checks(tags=["portal"]) == []
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.ALLOWED_HOSTS = "weak", ["weaker"], ["."]
    settings.DEBUG = debug
    messages = {message.id: type(message).__name__ for message in run_checks(tags=["portal"])}
    assert messages == {"portal.E001": level, "portal.E002": level, "portal.W003": "Warning"}
