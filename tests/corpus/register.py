"""The corpora: what each attacks with, how often, and the tests that try it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.corpus import (
    addresses,
    answers,
    bombs,
    documents,
    error_cells,
    formulas,
    headers,
    masked,
    odd_ids,
    scripts,
    workbooks,
)
from tests.corpus import texts as tables


@dataclass(frozen=True)
class Corpus:
    """Attacks of one kind, and the tests that try every one of them: a file, or one test of it."""

    name: str
    parts: tuple[Collection[Any], ...]
    tests: tuple[str, ...]

    @property
    def attacks(self) -> int:
        return sum(map(len, self.parts))


BROWSER = "tests/browser/test_group.py"
EXPORTS, OUTBOUND = "tests/errors/test_export_cells.py", "tests/batches/test_outbound_exchange.py"
FILES = (tables.CASES, documents.CASES, workbooks.CASES, error_cells.CASES, headers.CASES)
CORPORA = (
    Corpus(
        "texts that run in a page",
        (scripts.SCRIPTS,),
        (
            "tests/errors/test_hostile_texts.py",
            f"{BROWSER}::test_it_shows_one_failure_and_runs_nothing_of_it",
        ),
    ),
    Corpus(
        "formulas in exports",
        (formulas.FORMULAS,),
        (f"{EXPORTS}::test_no_cell_of_a_table_can_run", f"{EXPORTS}::test_raw_and_json_leave_cells_as_they_are"),
    ),
    Corpus(
        "addresses that lead inside",
        (addresses.FORBIDDEN, [address for address, public in addresses.PUBLIC.items() if not public]),
        ("tests/batches/test_outbound_hosts.py",),
    ),
    Corpus(
        "redirects that lead inside",
        (answers.LOCATIONS,),
        (f"{OUTBOUND}::test_it_refuses_a_redirect_to_what_is_no_address_or_lies_inside",),
    ),
    Corpus(
        "answers that burst",
        (answers.BOMBS,),
        (f"{OUTBOUND}::test_it_refuses_an_answer_that_cannot_be_read_within_its_bound",),
    ),
    Corpus("answers that never end", (answers.DRIPS,), (f"{OUTBOUND}::test_it_gives_up_an_answer_that_drips",)),
    Corpus("files that burst", (bombs.BOMBS,), ("tests/batches/test_file_corpus.py::test_it_refuses_what_bursts",)),
    Corpus("files as people have them", FILES, ("tests/batches/test_file_corpus.py::test_it_reads_or_refuses",)),
    Corpus(
        "ids and values that mean nothing",
        (odd_ids.ODD, odd_ids.ODD_VALUES),
        ("tests/portal/test_no_server_error.py::test_a_path_of_odd_names_leads_nowhere",),
    ),
    Corpus(
        "names and forms of secrets",
        (masked.KEYS, masked.PROSE),
        (
            "tests/batches/test_redaction.py::test_it_masks_a_secret_however_its_key_is_written",
            "tests/batches/test_redaction.py::test_it_masks_what_looks_like_a_secret_or_stands_behind_the_name_of_one",
        ),
    ),
    Corpus(
        "guesses at what is masked",
        (masked.RIGHT_AND_WRONG,),
        ("tests/errors/test_masked_fields.py::test_it_answers_a_right_guess_as_a_wrong_one",),
    ),
)
