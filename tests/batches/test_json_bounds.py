"""JSON of a caller is bounded before it is parsed, and parsed in linear time."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from batches.intake.readers.base import MAX_DIGITS
from batches.rest import parsers
from batches.rest.parsers import MOST_MEMORY, MOST_VALUES, READ_AT_ONCE, parsed, text_of

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


@pytest.mark.parametrize("before", [0, 1, MAX_DIGITS - 1, MAX_DIGITS, MAX_DIGITS + 1, 300_000])
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


def test_it_reads_a_body_whole_wherever_it_is_cut() -> None:
    """A letter of several bytes may stand where one piece ends."""
    for letter in "aßあ\U0001f600":
        text = json.dumps([letter * READ_AT_ONCE], ensure_ascii=False)
        assert text_of(io.BytesIO(text.encode())) == text
    with pytest.raises(ValueError, match="unexpected end of data"):
        text_of(io.BytesIO("ß".encode()[:1]))


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":' + b"9" * 45_000_000 + b"}",
        b'{"items":"' + b"a" * 45_000_000 + b'"}',
        b'{"items":"' + b"a" * 45_000_000,
        b'{"items":["' + "\U0001f600".encode() + b"a" * 20_000_000 + b'"]}',
        b'{"items":["' + b"a" * 20_000_000 + "\U0001f600".encode() + b'"]}',
        b'{"items":[' + b'{"a":1},' * 900_000 + b"{}]}",
        b'{"items":[' + b"[]," * 900_000 + b"{}]}",
        b"[" + b"9" * 40_000_000 + b"]",
    ],
    ids=["number", "text", "open text", "emoji first", "emoji last", "objects", "lists", "number within bounds"],
)
def test_it_never_takes_more_memory_than_one_body_may(body: bytes) -> None:
    stream = io.BytesIO(body)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"of memory at once|more than 4,300 digits"):
            parsed(text_of(stream))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY


def test_it_takes_a_hundred_thousand_items_of_five_texts() -> None:
    items = [{f"column {n}": f"{row}, {n}" for n in range(5)} for row in range(100_000)]
    assert parsed(text_of(io.BytesIO(json.dumps({"items": items}).encode()))) == {"items": items}
