"""JSON: arrays, lines, and what systems put around them."""

from __future__ import annotations

from tests.corpus.case import Case
from tests.corpus.texts import refused

LINES, ARRAY = b'{"a": 1}\n{"a": 2}\n', b'[{"a": 1},\n {"a": 2}]'
ROWS = [{"a": 1}, {"a": 2}]
CASES = [
    Case("an array", "f.json", ARRAY, ROWS),
    Case("lines", "f.ndjson", LINES, ROWS),
    Case("lines with a mark and CRLF", "f.jsonl", b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n"), ROWS),
    Case("lines named .json", "f.json", LINES, ROWS, ("one JSON object a line",)),
    Case("an array named .jsonl", "f.jsonl", ARRAY, ROWS, ("one JSON array",)),
    Case("an array in UTF-16", "f.json", ARRAY.decode().encode("utf-16"), ROWS),
    Case("lines in UTF-16", "f.ndjson", LINES.decode().encode("utf-16"), ROWS),
    Case("lines in a named encoding", "f.ndjson", b'{"a": "K\xf6ln"}\n', [{"a": "Köln"}], (), {"encoding": "cp1252"}),
    refused("rows under a name", b'{"next": 2, "data": [{"a": 1}]}', "may stand under 'data'", name="f.json"),
    refused("an object", b'{"a": 1}', "it is an object", name="f.json"),
    refused("members that are no objects", b"[1]", "not an object", name="f.json"),
    refused("an amount that no float holds", b'[{"a": 12345678901234567.89}]', "send it as text", name="f.json"),
    refused("… in a line", b'{"a": 12345678901234567.89}\n', "send it as text", name="f.ndjson"),
    refused("a number beyond all", b'[{"a": 1e400}]', "larger than can be kept", name="f.json"),
    Case(
        "a whole number of any length", "f.json", b'[{"a": 12345678901234567890123}]', [{"a": 12345678901234567890123}]
    ),
    Case("a float with 17 digits", "f.json", b'[{"a": 0.10000000000000001}]', [{"a": 0.1}]),
    refused("NaN", b'{"a": NaN}\n', "not JSON", name="f.ndjson"),
]
