"""Secrets are masked wherever they stand."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as some

from batches.redaction import (
    MASK,
    SharedSources,
    forms_in,
    forms_in_payload,
    redact,
    redact_recurring,
    redact_text,
)
from tests.corpus.masked import KEYS, PROSE


def test_it_masks_a_secret_however_its_key_is_written() -> None:
    for key in KEYS:
        assert redact({key: "hunter22", "name": "Ann"}) == {key: "[redacted]", "name": "Ann"}, key


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


def test_it_masks_what_looks_like_a_secret_or_stands_behind_the_name_of_one() -> None:
    for text, masked in PROSE:
        assert redact_text(text, {}) == masked
        assert redact_text(masked, {}) == masked


def test_it_masks_a_secret_however_it_is_quoted() -> None:
    payload = {"password": 'it\'s "x"/y'}
    assert redact_text("""'it\\'s "x"/y' it%27s+%22x%22%2Fy""", payload) == "'[redacted]' [redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "password: This field may not be blank.",
        "token: invalid",
        "{'password': 'This password is too short.'}",
        "InvalidTokenError: Signature has expired",
        "invalid_token: The token expired",
        "Key (email)=(a@b.c) already exists.",
        "Basic authentication is off",
        "https://tokens.example.com/a?n=1",
        "at 12:30:05 the session ended",
    ],
)
def test_it_leaves_sentences_about_secrets_readable(text: str) -> None:
    assert redact_text(text, {}) == text


def test_it_masks_a_short_secret_where_it_stands_alone() -> None:
    assert redact_text("pin 737 of row 17370", {"pin_token": 737}) == "pin [redacted] of row 17370"


def test_yes_no_and_nothing_are_no_secrets() -> None:
    assert redact_text("None is True", {"token": None, "session": True, "private": False}) == "None is True"


def test_it_masks_the_rest_of_a_secret_that_was_cut() -> None:
    assert redact_text("it was hunter2-hun", {"password": "hunter2-hunter2"}) == "it was [redacted]"
    assert redact_text("it was ababcd-abab", {"password": "ababcd-ababef"}) == "it was [redacted]"
    assert redact_text("it was aba", {"password": "ababcd-ababef"}) == "it was aba"


def test_a_text_that_many_failures_share_follows_what_is_secret_now(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a stack with first, second and t=third"
    payloads: list[tuple[str, dict[str, str]]] = [
        ("first", {}),
        ("second", {}),
        ("second", {"token": "third"}),
        ("first", {}),
    ]
    for secret, payload in payloads:
        monkeypatch.setenv("PORTAL_SECRET_ABC", secret)
        expected = text.replace(secret, "[redacted]").replace(payload.get("token", "none"), "[redacted]")
        assert redact_recurring(text, forms_in(payload)) == expected


def test_it_masks_secrets_of_the_process(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("PORTAL_SECRET_ABC", "from-env")
    settings.REDIS_URL = "redis://:from%2Fredis@host:1/0"
    settings.EMAIL_HOST_PASSWORD = "from-mail"
    text = f"from-env from%2Fredis from/redis from-mail {settings.SECRET_KEY}"
    assert redact_text(text) == " ".join(["[redacted]"] * 5)


def test_it_masks_what_the_process_has_come_to_know_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact_text("first second") == "first second"
    monkeypatch.setenv("PORTAL_SECRET_ABC", "first")
    assert redact_text("first second") == "[redacted] second"
    monkeypatch.setenv("PORTAL_SECRET_ABC", "second")
    assert redact_text("first second") == "first [redacted]"
    monkeypatch.delenv("PORTAL_SECRET_ABC")
    assert redact_text("first second") == "first second"


@given(
    some.text(alphabet=some.characters(exclude_categories=["Cs"]), min_size=4, max_size=30),
    some.sampled_from(["{}", "a{}b", "Bearer {}", '"{}"', "x={}&y=1"]),
    some.sampled_from([str, repr, json.dumps, quote, lambda secret: b64encode(secret.encode()).decode()]),
)
@example("00/\x1b", "{}", quote)
def test_no_form_of_a_secret_is_left(secret: str, around: str, write: Any) -> None:
    text = around.format(write(secret))
    assume(secret not in MASK and MASK not in secret)
    assert write(secret) not in redact_text(text, {"password": secret}) or write(secret) in MASK


NAMES = some.sampled_from(
    ["password", "Pass-Word", "API key", "api_key", "x-API\u2003Key", "TOKEN", "name", "pass", "word"]
)
TEXTS = some.sampled_from(
    ["hunter22", "Cookie: a=hunter22", "password = hunter22", "Api-Key: hunter22", "plain", "a: b"]
)
PAYLOADS = some.recursive(
    TEXTS | NAMES | some.integers() | some.booleans() | some.none(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(payload=some.dictionaries(NAMES, PAYLOADS, max_size=3), ascii_only=some.booleans())
@example(payload={"pass": ["word", "hunter22"]}, ascii_only=True)
def test_it_finds_the_secrets_of_a_payload_also_where_it_reads_only_what_may_hold_one(
    payload: dict[str, Any], ascii_only: bool
) -> None:
    params = SharedSources(({"token": "of-the-parameters"}, {}))

    for shared in (params, SharedSources()):
        found = forms_in_payload(json.dumps(payload, ensure_ascii=ascii_only), shared)

        assert set(found) == set(forms_in(payload, tuple(shared)))


def test_it_looks_for_the_names_that_are_set_now(settings: Any) -> None:
    params = SharedSources(({"maiden_name": "Meier"},))
    assert "Meier" not in forms_in_payload("{}", params)
    assert "Meier" not in forms_in_payload('{"maiden name": "Meier"}', SharedSources())

    settings.PORTAL_REDACT = ["maiden_name"]

    assert "Meier" in forms_in_payload("{}", params)
    assert "Meier" in forms_in_payload('{"maiden name": "Meier"}', SharedSources())
