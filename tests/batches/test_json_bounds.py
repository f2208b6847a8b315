"""JSON of a caller is bounded before it is parsed, and parsed in linear time."""

from __future__ import annotations

import io
import json

import pytest

from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from batches.rest import parsers
from batches.rest.parsers import MOST_VALUES, SEARCHED_AT_ONCE, parsed

NAMES = 60_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" + "{}," * MOST_VALUES + "{},{}]", "more than 1,000,000 values"),
        ("{" + ",".join(f'"n{n}":1' for n in range(NAMES)) + ',"n59999":2}', "'n59999' occurs twice"),
        ("[" + "9" * 4_301 + "]", "more than 4,300 digits"),
        ("[0." + "1" * 4_301 + "]", "more than 4,300 digits"),
        ("[" * 80_000, "nested too deeply"),
        ("[" + '"a,\\",",' * 10 + "NaN]", "NaN"),
    ],
)
def test_it_refuses_what_a_process_should_not_hold(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parsed(text)


@pytest.mark.parametrize("before", [0, SEARCHED_AT_ONCE - 4_301, SEARCHED_AT_ONCE - 1, SEARCHED_AT_ONCE])
def test_it_finds_a_long_number_wherever_it_stands(before: int) -> None:
    with pytest.raises(ValueError, match="more than 4,300 digits"):
        parsed("[" + " " * before + "9" * 4_301 + "]")
    assert parsed("[" + " " * before + "9" * 4_300 + "]") == [int("9" * 4_300)]


def test_it_counts_what_stands_between_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsers, "MOST_VALUES", 1_000)
    names = [f'"n{number}":"a,b\\","' for number in range(1_002)]
    with pytest.raises(ValueError, match="more than 1,000 values"):
        parsed(f"{{{','.join(names)}}}")
    assert len(parsed(f"{{{','.join(names[:1_001])}}}")) == 1_001


def test_it_counts_nothing_within_texts() -> None:
    texts = ["," * (MOST_VALUES + 2), "1" * 5_000, '\\"' * 1_000 + "," * 3]
    assert parsed(json.dumps(texts)) == texts


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.json"])
def test_it_finds_a_name_that_occurs_twice_among_many(name: str) -> None:
    row = "{" + ",".join(f'"n{n}":1' for n in range(NAMES)) + ',"n59999":2}'
    with pytest.raises(InputRefused, match="'n59999' occurs twice"):
        list(open_reader(io.BytesIO(f"[{row}]".encode() if name == "rows.json" else row.encode()), name))


@pytest.mark.parametrize("text", ["[" * 80_000, '{"x":' * 80_000, '{"batch":' + "[" * 80_000])
def test_it_refuses_brackets_without_end_in_a_file(text: str) -> None:
    with pytest.raises(InputRefused):
        list(open_reader(io.BytesIO(text.encode()), "rows.json"))
