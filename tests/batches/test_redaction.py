"""Secrets are masked wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from batches.redaction import redact, redact_text


@pytest.mark.parametrize("key", ["password", "PASSWORD", "Api-Key", "api_key", "apiKey", "x-auth-token", "db password"])
def test_it_masks_a_secret_however_its_key_is_written(key: str) -> None:
    assert redact({key: "hunter22", "name": "Ann"}) == {key: "[redacted]", "name": "Ann"}


def test_it_masks_at_any_depth_and_whole_branches() -> None:
    value = {"rows": [{"login": {"password": "a"}}, "token"], "secret": {"deep": [1, 2]}}
    assert redact(value) == {"rows": [{"login": {"password": "[redacted]"}}, "token"], "secret": "[redacted]"}


def test_it_leaves_the_original_alone() -> None:
    value = {"password": "a"}
    redact(value)
    assert value == {"password": "a"}


def test_it_survives_a_value_nested_beyond_reason() -> None:
    value: Any = "x"
    for _ in range(500):
        value = [value]
    assert "[redacted]" in str(redact(value))


def test_it_takes_secret_values_out_of_text() -> None:
    payload = {"token": "abcd", "nested": [{"password": "abcdefgh"}], "name": "Ann"}
    assert redact_text("Ann: abcdefgh and abcd", payload) == "Ann: [redacted] and [redacted]"


def test_it_leaves_text_alone_where_a_secret_is_too_short_to_tell() -> None:
    assert redact_text("row 12 is bad", {"token": 12}) == "row 12 is bad"


def test_it_follows_the_setting(settings: Any) -> None:
    settings.PORTAL_REDACT = ["iban"]
    assert redact({"IBAN": "x", "password": "y"}) == {"IBAN": "[redacted]", "password": "y"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET https://u:hunter2@x.io/a failed", "GET https://[redacted]@x.io/a failed"),
        ("https://x/?token=abc&b=1", "https://x/?token=[redacted]&b=1"),
        ("password=hunter2 and token: invalid", "password=[redacted] and token: invalid"),
        ("{'password': 'my pass word', 'a': 1}", "{'password': '[redacted]', 'a': 1}"),
        ('"api_key": "abc"', '"api_key": "[redacted]"'),
        ("Bearer abcdefghijkl1234 refused", "Bearer [redacted] refused"),
        ("key AKIAABCDEFGHIJKLMNOP", "key [redacted]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----, bad", "[redacted], bad"),
        ("card 4111 1111 1111 1111", "card [redacted]"),
        ("order 4111111111111112, mail a@b.c", "order 4111111111111112, mail a@b.c"),
    ],
)
def test_it_masks_what_looks_like_a_secret(text: str, masked: str) -> None:
    assert redact_text(text, {}) == masked
    assert redact_text(masked, {}) == masked


def test_it_masks_a_secret_however_it_is_quoted() -> None:
    payload = {"password": 'it\'s "x"/y'}
    assert redact_text("""'it\\'s "x"/y' it%27s+%22x%22%2Fy""", payload) == "'[redacted]' [redacted]"
