"""What makes failures pass is said of what is at fault: a database's memory is not that of the workers."""

from __future__ import annotations

import pytest

from errors.advice.facts import Facts, GroupFacts
from errors.advice.remedies import Remedy, remedy_by_words, remedy_of
from errors.advice.rules.repairs import REPAIRS, told

FACTS = Facts(total=3, tried=3, failed=3, errors=3, attempts=3)


def group(category: str, title: str, error_type: str = "", permanent: int = 0) -> GroupFacts:
    return GroupFacts("f" * 32, title, category, items=3, errors=3, permanent=permanent, error_type=error_type)


@pytest.mark.parametrize(
    ("title", "error_type"),
    [
        ("out of shared memory HINT: You might need to increase max_locks_per_transaction.", "OperationalError"),
        ("out of memory DETAIL: Failed on request of size <num>.", "OperationalError"),
        ("SQLSTATE[53200]: sorry", "RuntimeError"),
        ("out of shared memory", "OutOfMemory"),
        ("ORA-04031: unable to allocate <num> bytes of shared memory", "DatabaseError"),
    ],
)
def test_a_database_out_of_memory_is_not_mended_by_the_workers(title: str, error_type: str) -> None:
    assert remedy_by_words(group("resource", title, error_type)) == Remedy.DATABASE_MEMORY


def test_a_worker_out_of_memory_is() -> None:
    assert remedy_of(group("resource", "", "MemoryError"), FACTS) == Remedy.MEMORY


def test_what_says_that_it_is_there_already_is_a_duplicate_whoever_says_it() -> None:
    title = 'duplicate key value violates unique constraint "shop_sku_key"'
    assert remedy_of(group("conflict", title, "RuntimeError"), FACTS) == Remedy.DUPLICATE
    assert remedy_of(group("conflict", "Lock wait timeout exceeded", "RuntimeError"), FACTS) == Remedy.RETRY


def test_one_attempt_is_told_in_the_singular() -> None:
    sentences = [told(repair, 1) for repair in REPAIRS]
    assert not [text for text in sentences if "{" in text or " were " in text or "1 attempt refer " in text]
