"""A record of the log begins one line, whatever it quotes."""

from __future__ import annotations

import logging
import sys

import pytest

from batchportal.log_lines import LogLine

FORGED = "2026-11-27 05:00:00,000 ERROR root: forged"


def line(message: str, error: BaseException | None = None) -> str:
    record = logging.LogRecord("batches", logging.WARNING, __file__, 1, "reason: %s", (message,), None)
    if error is not None:
        try:
            raise error
        except type(error):
            record.exc_info = sys.exc_info()
    return LogLine("{levelname} {name}: {message}", style="{").format(record)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\u2029", "\x1b[2K\x1b[1G"])
def test_it_cannot_be_forged_by_a_line_end_in_a_reason(end: str) -> None:
    written = line(f"done{end}{FORGED}")
    assert len(written.splitlines()) == 1
    assert written.startswith("WARNING batches: reason: done")
    assert "\x1b" not in written


def test_the_further_lines_of_a_traceback_begin_with_no_time() -> None:
    first, *further = line("failed", ValueError(f"x\r\n{FORGED}")).splitlines()
    assert first == "WARNING batches: reason: failed"
    assert len(further) > 3
    assert all(text.startswith("  ") for text in further)


def test_it_turns_no_text_around() -> None:
    assert "\u202e" not in line("ab\u202ecd")
