"""There are no fewer attacks than are promised, each is another, and the tests that are said to try them are there."""

from __future__ import annotations

import re

import pytest

from tests.corpus.register import CORPORA
from tests.helpers.places import ROOT

pytestmark = pytest.mark.any_database


def test_there_are_no_fewer_attacks_than_are_promised() -> None:
    rows = re.findall(r"^\| ([\w ]+) \| ([\d,]+) \|$", (ROOT / "docs/promises.md").read_text(), re.M)
    promised = {name: int(number.replace(",", "")) for name, number in rows}
    assert set(promised) == {corpus.name for corpus in CORPORA}
    assert {corpus.name: corpus.attacks for corpus in CORPORA if corpus.attacks < promised[corpus.name]} == {}


def test_no_attack_is_counted_twice() -> None:
    for corpus in CORPORA:
        for part in corpus.parts:
            assert len({repr(attack) for attack in part}) == len(part), corpus.name


def test_the_tests_that_try_them_are_there() -> None:
    for corpus in CORPORA:
        for test in corpus.tests:
            path, _, name = test.partition("::")
            assert f"def {name or 'test_'}" in (ROOT / path).read_text(), test
