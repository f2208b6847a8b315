"""fp1: a message becomes its template. The worked values of the specification, and what must never split a group."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors.grouping.payload_values import MAX_MESSAGE
from errors.grouping.templates import template

TITLES: list[tuple[str, Any, str]] = [
    ("HTTP 429 for order 5", None, "HTTP 429 for order <num>"),
    ("[Errno 111] Connection refused", None, "[Errno 111] Connection refused"),
    (
        "SQLSTATE 23505: duplicate key value (id)=(4711)",
        None,
        "SQLSTATE 23505: duplicate key value (id)=(<num>)",
    ),
    ("'customer_4711'", None, "'<str>'"),
    ("'email'", None, "'email'"),
    ("invalid literal for int() with base 10: '12a'", None, "invalid literal for int() with base 10: '<str>'"),
    ("Invoice INV-2024-00017 rejected", None, "Invoice <id> rejected"),
    ('Country "DE" unsupported', {"country": "DE"}, 'Country "<country>" unsupported'),
    ('Country "FR" unsupported', {"country": "FR"}, 'Country "<country>" unsupported'),
    ("status missing", {"state": "missing"}, "status missing"),
    ("Row 1,800: price must be positive", None, "Row <num>: price must be positive"),
    ("timed out after 30.0s", None, "timed out after <num>"),
    ("timed out after 1500ms", None, "timed out after <num>"),
    ("No such file: /data/in/2024/a17.csv", None, "No such file: <path>"),
    ("GET https://api.x.io/v1/7?tok=abc failed", None, "GET <url> failed"),
    (
        "Expecting value: line 7 column 12 (char 88)",
        None,
        "Expecting value: line <num> column <num> (char <num>)",
    ),
    ("due 02.01.2024 past", None, "due <date> past"),
    ("hash deadbeef mismatch", None, "hash deadbeef mismatch"),
    ("hash 0123abcd mismatch", None, "hash <hex> mismatch"),
    ("obj.is not callable", None, "obj.is not callable"),
    ("temp -5 below -3", None, "temp <num> below <num>"),
    ("bad\n\n item 1\nitem 2\nitem 3", None, "bad ⏎ item <num> …"),
    ("", None, ""),
    # beyond the specification's own
    ("404 Client Error: Not Found for url: https://x.io/a.", None, "404 Client Error: Not Found for url: <url>."),
    ("ORA-00942: table missing", None, "ORA-00942: table missing"),
    ("(1062, \"Duplicate entry '7' for key 'email'\")", None, "(1062, \"Duplicate entry '<str>' for key 'email'\")"),
    (
        "'utf-8' codec can't decode byte 0xff in position 3",
        None,
        "'utf-8' codec can't decode byte <hex> in position <num>",
    ),
    ("exit status 3 after 12 tries", None, "exit status 3 after <num> tries"),
    ("mail to ann.b@x.org bounced", None, "mail to <email> bounced"),
    ("10.0.0.7:8080 and ::1 refused", None, "<ip> and <ip> refused"),
    ("at 2024-01-02T03:04:05.678Z, 14:02:10 and 3/4/2024", None, "at <date>, <time> and <date>"),
    ("id 123e4567-e89b-12d3-a456-426614174000", None, "id <uuid>"),
    (r"cannot open C:\data\in.csv", None, r"cannot open <path>"),
    ("\x1b[31mred 5\x1b[0m", None, "red <num>"),
    ("\ue000 smuggled \uf8ff 1", None, "smuggled  <num>"),
    ("'the value 7 is too large'", None, "'the value <num> is too large'"),
    ("don't panic, it's 5 o'clock", None, "don't panic, it's <num> o'clock"),
    ("state=open rejected", {"state": "open"}, "state=<state> rejected"),
    ("unknown state 'open'", {"state": "open"}, "unknown state '<state>'"),
    ("'email' is missing", {"wanted": "email", "email": None}, "'email' is missing"),
    ("'a1' is missing", {"a1": "x"}, "'a1' is missing"),
    (
        "bad sku AB-7 in DE",
        {"item": {"sku": "AB-7"}, "lines": [{"country": "DE"}]},
        "bad sku <item.sku> in <lines.country>",
    ),
    ("version 1.2.3 too old", None, "version <id> too old"),
    ("Colour (red) is unknown", {"colour": "red"}, "Colour (<colour>) is unknown"),
    ("unknown user: alice", {"user": "alice"}, "unknown user: <user>"),
    ("Kunde „Meier“ unbekannt", None, "Kunde „<str>“ unbekannt"),
    ("Wert »rot« unbekannt", None, "Wert »<str>« unbekannt"),
    ("NULL-Wert in Spalte »email« verletzt Not-Null", None, "NULL-Wert in Spalte »email« verletzt Not-Null"),
    ("顧客「東」が見つかりません", None, "顧客「<str>」が見つかりません"),
    ("第5行价格无效", None, "第<num>行价格无效"),
    ("注文A17の住所が不正です", None, "注文<id>の住所が不正です"),
    ("Preis 1.234,50 € ungültig", None, "Preis <num> € ungültig"),
    ("montant 1 234,50 invalide", None, "montant <num> invalide"),
    ("montant 1\u202f234 invalide", None, "montant <num> invalide"),
    ("lines 1,2,3 differ", None, "lines <num>,<num>,<num> differ"),
]


@pytest.mark.parametrize(("message", "payload", "title"), TITLES, ids=[title[:40] for _, _, title in TITLES])
def test_it_makes_a_title(message: str, payload: Any, title: str) -> None:
    assert template(message, payload).title == title


def test_it_keeps_known_field_names_readable() -> None:
    assert template("'Line2' is empty", None, {"Line2"}).title == "'Line2' is empty"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("qty 7 is too much", {"qty": 7}), ("qty 7 is too much", {})),
        (("qty '7' is too much", {"qty": 7}), ("qty 'x' is too much", {"qty": "x"})),
        (('Country "DE" unsupported', {"country": "DE"}), ("Country '12' unsupported", {})),
        (("Invoice INV-2024-17 rejected", {"year": 2024}), ("Invoice INV-2023-17 rejected", {"year": 2024})),
        (("due 2024-01-02", {"year": 2024, "month": "01"}), ("due 2024-01-02", {})),
        (("at 10:30:00", {"hour": 10}), ("at 10:30:00", {})),
        (("from 10.0.0.1", {"net": 10}), ("from 10.0.0.1", {})),
        (("Row 1,800: bad", {"n": 1, "m": 800}), ("Row 2,800: bad", {"n": 7})),
        (("took 5s", {"n": 5}), ("took 6s", {})),
        (("took 5%", {"n": 5}), ("took 6%", {})),
        (("no /data/A1/in.csv", {"dir": "A1"}), ("no /data/B2/in.csv", {})),
        (("GET https://api.x.io/A1?x=2 failed", {"id": "A1"}), ("GET https://api.x.io/B2 failed", {})),
        (("file a17.csv", {"file": "a17"}), ("file b18.csv", {})),
        (("temp -5", {"t": -5}), ("temp -6", {"t": 6})),
    ],
)
def test_a_quirk_of_the_payload_never_splits_a_group(one: tuple[str, Any], other: tuple[str, Any]) -> None:
    assert template(*one).key == template(*other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError 'email'", "KeyError 'phone'"),
        ("HTTP 429 for order 5", "HTTP 500 for order 5"),
        ("[Errno 111] refused", "[Errno 113] refused"),
        ("SQLSTATE 23505: x", "SQLSTATE 23502: x"),
    ],
)
def test_it_keeps_different_causes_apart(one: str, other: str) -> None:
    assert template(one).key != template(other).key


DETAILS = [
    'duplicate key value violates unique constraint "u"\nDETAIL:  Key (name)=({}) already exists.\n',
    'duplicate key value violates unique constraint "u"\nDETAIL:  Key (country, name)=(de, {}) already exists.\n',
    'null value in column "email" violates not-null constraint\nDETAIL:  Failing row contains (1, {}, null, t).\n',
    'insert on table "a" violates foreign key constraint "f"\nDETAIL:  Key (c)=({}) is not present in table "b".\n',
    "doppelter Schlüsselwert verletzt Unique-Constraint »u«\nDETAIL:  Schlüssel »(name)=({})« existiert bereits.\n",
]


@pytest.mark.parametrize("message", DETAILS, ids=[detail[:24] for detail in DETAILS])
def test_the_row_that_a_database_shows_never_splits_a_group(message: str) -> None:
    values = ("alpha", "bravo", "a) b", "Köln", "4711", "")
    assert len({template(message.format(value), {"name": value}).key for value in values}) == 1


def test_columns_that_a_database_names_are_different_causes() -> None:
    assert template(DETAILS[0].format("a")).key != template(DETAILS[0].replace("(name)", "(slug)").format("a")).key


def test_causes_in_a_script_without_spaces_are_told_apart() -> None:
    causes = ["注文12345が見つかりません", "注文777は在庫切れです", "注文9の住所が不正です"]
    assert len({template(cause).key for cause in causes}) == 3


def test_marks_of_one_rule_are_not_matched_by_the_next() -> None:
    message = " ".join(f"A{n}" for n in range(60))
    assert template(message, {"n": "A1", "m": "A10"}).title.split()[1] == "<n>"
    assert template(message).title == " ".join(["<id>"] * 60)


@pytest.mark.parametrize(
    "unit", ["'", '"', "a.", "/a", "a@", "1,", ":", "0x", "'a ", "é1-", "://", "\x1b[", "f", "1:", "\n"]
)
def test_it_cuts_before_it_matches(unit: str) -> None:
    found = template(unit * (100_000 // len(unit)), {"a": "f" * 600, "b": unit})
    assert len(found.title) <= MAX_MESSAGE * 6


@given(st.text(), st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.floats()))
def test_it_takes_any_text_and_is_the_same_twice(message: str, payload: dict[str, Any]) -> None:
    first = template(message, payload)
    assert template(message, payload) == first
    assert not any("\ue000" <= character <= "\uf8ff" for character in first.title + first.key)
