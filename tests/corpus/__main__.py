"""`python -m tests.corpus [options of pytest]`: each corpus, how many attacks it has, and what came of them.

Exits 1 where a test of one failed. `--count` runs nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest

from tests.corpus.register import CORPORA

COUNT = "--count"


class Outcomes:
    """A pytest plug-in that keeps how each test ended."""

    def __init__(self) -> None:
        self.by_test: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.by_test[report.nodeid] = report.outcome

    def of(self, tests: tuple[str, ...]) -> str:
        """`2 passed, 1 failed` of these files and tests."""
        ends = [how for name, how in self.by_test.items() if name.split("[")[0].startswith(tests)]
        return ", ".join(f"{number} {how}" for how, number in Counter(ends).items()) or "not run"


def main(arguments: list[str]) -> int:
    outcomes, code = Outcomes(), 0
    tests = [test for corpus in CORPORA for test in corpus.tests]
    if COUNT not in arguments:
        code = pytest.main(["-q", *arguments, *tests], plugins=[outcomes])
    print(f"\n{'attacks':>7}  {'corpus':<34}{'tests':<22}run by")
    for corpus in CORPORA:
        print(f"{corpus.attacks:>7}  {corpus.name:<34}{outcomes.of(corpus.tests):<22}{', '.join(corpus.tests)}")
    print(f"{sum(corpus.attacks for corpus in CORPORA):>7}  in all")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
