"""Numbers in a workbook: each comes back as it was, or is written as text."""

from __future__ import annotations

import pytest

from errors.exports.exporters.xlsx_exporter import is_exact


@pytest.mark.parametrize("number", [0, -1, 1.5, 0.1, 2**53, 1e15, True])
def test_it_writes_as_a_number_what_sixteen_digits_hold(number: float) -> None:
    assert is_exact(number)


@pytest.mark.parametrize("number", [1.9599640369415283, 0.1 + 0.2, 2**53 + 1, 1e300])
def test_it_writes_as_text_what_would_lose_a_digit(number: float) -> None:
    assert not is_exact(number)
