"""Parts of the group page that need no database: marked messages and payloads, tracebacks taken apart, the digest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from errors.desk.group_page.digest import code, fenced
from errors.desk.group_page.frames import frames_of
from errors.desk.group_page.marked import message_parts, payload_lines, peek, spoken_of, title_parts
from errors.grouping.templates import segments, template

MESSAGES: list[tuple[str, Any]] = [
    ('Country "DE" unsupported', {"country": "DE"}),
    ("GET https://api.x.io/v1/7?tok=abc failed after 30s for order 5", {}),
    ("x@DE99.com of http://h/DE99 and DE99", {"c": "DE99"}),
    ("'customer_4711' is not 'email'; 'a b 12 c'", {"email": "x"}),
    ("bad\n\n item 1\nitem 2\nitem 3", {}),
    ("", {}),
    ("'DE' 'FR DE' \"DE-7\" (DE)", {"a": "DE", "b": ["FR", {"c": "DE-7"}]}),
    ("<num> <script> is no <country>", {"country": "<num>"}),
]


@pytest.mark.parametrize(("message", "payload"), MESSAGES)
def test_its_parts_are_the_message_on_one_side_and_the_template_on_the_other(message: str, payload: Any) -> None:
    parts = segments(message, payload)
    assert "".join(part.kind or part.text for part in parts) == template(message, payload).title
    if "\n" not in message:
        assert "".join(part.text for part in parts) == message


def test_it_marks_what_the_message_says_of_the_payload_in_both() -> None:
    payload = {"country": "DE", "customer": {"email": "a@b.io", "id": 7}, "price": -1, "lines": [{"sku": "A1"}]}
    parts = message_parts('"DE" of a@b.io at 10.0.0.1', payload)
    assert [(part.text, part.field, part.kind) for part in parts if part.field or part.kind] == [
        ("DE", "country", ""),
        ("a@b.io", "customer.email", ""),
        ("10.0.0.1", "", "ip"),
    ]
    lines, cut = payload_lines(payload, spoken_of(parts, ["price"]))
    assert not cut
    assert json.loads("".join(line.text for line in lines)) == payload
    assert [line.text for line in lines if line.marked] == ['"country": "DE",', '"email": "a@b.io",', '"price": -1,']
    assert peek(payload, ["price"])[0].text == "price=-1"


def test_it_takes_for_placeholders_what_can_be_one() -> None:
    parts = title_parts("<country> or <script> at <num>", ["country"])
    assert [(part.text, part.field, part.kind) for part in parts] == [
        ("country", "country", ""),
        (" or <script> at ", "", ""),
        ("num", "", "num"),
    ]


def test_it_cuts_a_payload_that_is_too_long_to_read() -> None:
    lines, cut = payload_lines({str(n): "x" * 10_000 for n in range(1_000)}, ())
    assert cut
    assert sum(len(line.text) for line in lines) < 2_000_000
    assert payload_lines(None, ())[0][0].text == "null"
    deep: Any = {}
    for _ in range(200):
        deep = {"in": deep}
    assert payload_lines(deep, ["in"])[0]


STACK = """builtins.ValueError
  File "/srv/shop/jobs/processors.py", line 10, in invoice
    return check(payload)
           ^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
  File "/x/site-packages/lib/a.py", line 1, in <listcomp>
  File "<frozen importlib>", line 2, in load

caused by re.error
  File "/usr/lib/python3.11/re.py", line 9, in compile
    raise"""


def test_it_takes_a_traceback_apart_and_folds_what_is_not_the_authors() -> None:
    first, second = frames_of(STACK)
    assert first.name == "builtins.ValueError"
    (open_run, folded) = first.runs
    assert (open_run[0], [frame.function for frame in open_run[1]]) == (False, ["invoice"])
    assert open_run[1][0].code == ["return check(payload)", "       ^^^^^^^^^^^^^^"]
    assert (folded[0], len(folded[1])) == (True, 3)
    assert [(fold, len(frames)) for fold, frames in second.runs] == [(False, 1)]  # nothing else to see
    assert second.name == "caused by re.error"
    assert [raised.name for raised in frames_of("rubbish\n\nmore")] == ["rubbish", "more"]
    assert frames_of("") == []


@pytest.mark.parametrize("text", ["a", "`", "``x`", "a```b", "```\n# evil\n```", "", "[x](javascript:alert(1))"])
def test_its_digest_keeps_hostile_text_inside_code(text: str) -> None:
    block = fenced(text)
    fence = block[: len(block) - len(block.lstrip("`"))]
    assert fence not in block[len(fence) : -len(fence)]
    if text:
        inline = code(text)
        ticks = inline[: len(inline) - len(inline.lstrip("`"))]
        assert ticks not in inline[len(ticks) : -len(ticks)]
