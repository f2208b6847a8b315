"""Tables whose header is doubtful: what is proposed is what a person would choose, and reads the table."""

from __future__ import annotations

from typing import Any

from tests.corpus.case import Case
from tests.corpus.texts import refused as refused_bytes
from tests.corpus.workbooks import book


def refused(about: str, content: str | bytes, *words: str, **options: Any) -> Case:
    return refused_bytes(about, content.encode() if isinstance(content, str) else content, *words, **options)


REPORT = (
    "Stock by shop,,,\nall amounts in pieces,,,\n,,North,South\nNo.,Article,,\n"
    "1,Nail,5,7\n2,Screw,3,4\n3,Bolt,9,2\n4,Nut,8,1\n5,Pin,6,6\n"
)
"""The names stand in two rows, neither of them whole, above rows of numbers."""
SHOPS = [["1", "Nail", "5", "7"], ["2", "Screw", "3", "4"], ["3", "Bolt", "9", "2"], ["4", "Nut", "8", "1"]]
FORM: list[list[Any]] = [
    ["Definitions"],
    *([f"A sentence of the introduction, the {number}th."] for number in range(12)),
    ["Field", "Meaning", None, "Unit"],
    ["qty", "how many", None, "pieces"],
    ["due", "when", None, "date"],
    ["sku", "which", None, "code"],
    ["Notes:"],
    ["None"],
]
"""A table below a text, in fewer rows than the text has."""
LETTER = "Dear all\n" + "".join(f"line {number} of a letter\n" for number in range(9)) + "first, second, third\nbye\n"
CASES = [
    refused(
        "names above numbers",
        REPORT,
        "row 3 has 2 of 4 names (North, South) and 5 such rows",
        "--header-row 3 --name-columns",
    ),
    Case(
        "… chosen",
        "f.csv",
        REPORT.encode(),
        [
            dict(zip(("A", "B", "North", "South"), cells, strict=True))
            for cells in (["No.", "Article", "", ""], *SHOPS, ["5", "Pin", "6", "6"])
        ],
        (),
        {"header_row": 3, "name_columns": True},
    ),
    refused("a table below a text", book(FORM), "row 14 has 3 of 4 names (Field, Meaning, Unit)", name="f.xlsx"),
    refused("a letter", LETTER, "row 11", "the row has 3 fields, the header has 1"),
    refused(
        "a whole row of numbers below its names",
        "Report,\n,Q1,Q2\na,1,2\nb,3,4\nc,5,6\n",
        "row 2 has 2 of 3 names (Q1, Q2)",
    ),
    refused("years as names", "Report,,\nregion,2024,2025\na,1,2\nb,3,4\n", "row 2 has 3 names (region, 2024, 2025)"),
    refused("no header at all", "1,0,0\n2,0,5\n", "two columns '0'", "Put the columns' names above it"),
    Case("numbers as names", "f.csv", b"1,x,3\n4,y,6\n", [{"1": "4", "x": "y", "3": "6"}], ("with numbers (1, 3)",)),
    refused("a blank before a quote", 'a,b\n1, "2,000"\n', "a blank stands before a quote", "Take out blanks"),
]
