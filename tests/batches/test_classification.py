"""What kind of failure an exception is."""

from __future__ import annotations

import json
import socket
import sqlite3
import ssl
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import IntegrityError, OperationalError

from batches.lanes.classification import classify
from batches.lanes.outcomes import describe_failure, is_retryable
from batches.processors import ItemError, get


class ApiError(Exception):
    """A client's exception with whatever its library hangs on it."""

    def __init__(self, message: str = "", **hung: Any) -> None:
        super().__init__(message)
        self.__dict__.update(hung)


class ReadTimeout(Exception): ...


class TrickyTimeout(ConnectionError):
    @property
    def response(self) -> None:
        raise RuntimeError("not yet")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def sqlite_error(kind: type[Exception], name: str) -> Exception:
    error = kind("constraint failed")
    error.sqlite_errorname = name  # type: ignore[attr-defined]
    return error


def botocore(status: int, code: str) -> ApiError:
    return ApiError(code, response={"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}})


CASES = [
    (ApiError("HTTP 429 for order 5"), "rate_limit", "code"),
    (ApiError(status_code=509), "rate_limit", "code"),
    (botocore(400, "ThrottlingException"), "rate_limit", "code"),
    (botocore(503, "RequestLimitExceeded"), "rate_limit", "code"),
    (ApiError("RESOURCE_EXHAUSTED"), "rate_limit", "code"),
    (ApiError("quota used up"), "rate_limit", "message"),
    (TimeoutError(), "timeout", "class"),
    (ReadTimeout(), "timeout", "class"),
    (TrickyTimeout(), "timeout", "class"),
    (OSError(110, "Connection timed out"), "timeout", "code"),
    (ApiError(response=SimpleNamespace(status_code=504)), "timeout", "code"),
    (ApiError(pgcode="57014"), "timeout", "code"),
    (botocore(400, "RequestTimeout"), "timeout", "code"),
    (ApiError("DEADLINE_EXCEEDED"), "timeout", "code"),
    (ConnectionResetError(104, "reset"), "network", "code"),
    (ConnectionError("gone"), "network", "class"),
    (ApiError("[Errno 113] No route to host"), "network", "code"),
    (ApiError("503 Server Error: x"), "upstream", "code"),
    (HTTPError("http://x", 502, "Bad Gateway", {}, None), "upstream", "code"),  # type: ignore[arg-type]
    (ValidationError("no"), "validation", "class"),
    (json.JSONDecodeError("Expecting value", "", 0), "validation", "class"),
    (KeyError("email"), "validation", "class"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "validation", "class"),
    (ApiError("SQLSTATE 23502: null value"), "validation", "code"),
    (caused(IntegrityError("x"), ApiError(pgcode="23503")), "validation", "code"),
    (
        caused(IntegrityError("x"), sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_NOTNULL")),
        "validation",
        "code",
    ),
    (caused(IntegrityError("x"), sqlite_error(sqlite3.IntegrityError, "SQLITE_CONSTRAINT_UNIQUE")), "conflict", "code"),
    (caused(IntegrityError("x"), ApiError(pgcode="23505")), "conflict", "code"),
    (ApiError("(1062, 'Duplicate entry')"), "conflict", "code"),
    (ApiError(status_code=412), "conflict", "code"),
    (PermissionError(13, "Permission denied"), "auth", "class"),
    (ApiError("status code 403"), "auth", "code"),
    (ApiError(pgcode="28P01"), "auth", "code"),
    (ObjectDoesNotExist(), "not_found", "class"),
    (FileNotFoundError(2, "No such file"), "not_found", "class"),
    (ApiError("HTTP/1.1 410"), "not_found", "code"),
    (MemoryError(), "resource", "class"),
    (OSError(28, "No space left on device"), "resource", "code"),
    (ApiError("ended with exit code 137"), "resource", "code"),
    (AttributeError("'NoneType' object has no attribute 'x'"), "defect", "class"),
    (IndexError("list index out of range"), "defect", "class"),
    (ModuleNotFoundError("x"), "defect", "class"),
    (ItemError("x", category="crash"), "crash", "explicit"),
    (ItemError("HTTP 429", category="validation"), "validation", "explicit"),
    (ItemError("x", category="nonsense"), "unknown", "none"),
    (SystemExit(404), "unknown", "none"),
    (RuntimeError("it broke"), "unknown", "none"),
]


@pytest.mark.parametrize(("error", "category", "by"), CASES, ids=[f"{e!r:.60}" for e, _, _ in CASES])
def test_it_takes_the_first_rule_that_matches(error: BaseException, category: str, by: str) -> None:
    found = classify(error, "", str(error))
    assert (found.category, found.classified_by) == (category, by)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database is locked"),
        caused(OperationalError("x"), ApiError(pgcode="40P01")),
        ApiError("(1213, 'Deadlock found')"),
        caused(OperationalError("x"), sqlite_error(sqlite3.OperationalError, "SQLITE_BUSY")),
    ],
)
def test_a_deadlock_is_a_conflict_worth_another_try(error: Exception) -> None:
    found = classify(error, "", str(error))
    assert (found.category, found.retryable) == ("conflict", True)


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("TIMEOUT", "timeout"),
        ("429", "rate_limit"),
        ("http-503", "upstream"),
        ("23505", "conflict"),
        ("VALIDATION_ERROR", "validation"),
        ("NETWORK_FAILURE", "network"),
        ("SKU_UNKNOWN", "unknown"),
        ("PRICE", "unknown"),
    ],
)
def test_an_explicit_code_stays_and_tells_the_category_if_it_can(code: str, category: str) -> None:
    found = classify(RuntimeError("it broke"), code)
    assert (found.code, found.category) == (code, category)


def test_it_gives_each_category_its_code_and_whether_to_try_again() -> None:
    assert classify(ConnectionError()).code == "NETWORK_ERROR"
    assert classify(ConnectionError()).retryable is True
    assert classify(ValueError()).retryable is False
    assert classify(TimeoutError()).retryable is None
    assert classify(ItemError("x", category="validation", retryable=True)).retryable is True


TABLE: dict[str, tuple[list[Exception], bool | None]] = {
    "rate_limit": (
        [
            *(ApiError(f"HTTP {status}") for status in (429, 509)),
            *(
                botocore(status, name)
                for status in (400, 403, 503)
                for name in (
                    "Throttling",
                    "ThrottledException",
                    "RequestThrottled",
                    "RequestLimitExceeded",
                    "LimitExceeded",
                )
            ),
            *(ApiError(text) for text in ("RESOURCE_EXHAUSTED", "StatusCode.RESOURCE_EXHAUSTED: busy")),
        ],
        True,
    ),
    "timeout": (
        [
            *(ApiError(f"HTTP {status}") for status in (408, 504)),
            *(
                OSError(110, "x"),
                ApiError("DEADLINE_EXCEEDED"),
                ApiError(pgcode="57014"),
                botocore(400, "RequestTimeout"),
            ),
        ],
        None,
    ),
    "network": (
        [
            *(OSError(number, "x") for number in (101, 103, 104, 111, 113)),
            *(error("x") for error in (ConnectionError, ConnectionAbortedError, BrokenPipeError)),
            *(socket.gaierror(-2, "x"), ssl.SSLError("x"), ApiError("UNAVAILABLE")),
        ],
        True,
    ),
    "upstream": ([ApiError(f"HTTP {status}") for status in (500, 502, 503)], True),
    "validation": (
        [
            *(ApiError(f"HTTP {status}") for status in (400, 422)),
            *(ApiError(pgcode=state) for state in ("22001", "22P02", "23502", "23503", "23514")),
            *(ValueError("x"), KeyError("x"), json.JSONDecodeError("x", "", 0), ValidationError("x")),
        ],
        False,
    ),
    "conflict": (
        [*(ApiError(f"HTTP {status}") for status in (409, 412)), ApiError(pgcode="23505"), ApiError("(1062, 'x')")],
        False,
    ),
    "auth": (
        [*(ApiError(f"HTTP {status}") for status in (401, 403)), PermissionError("x"), ApiError(pgcode="28000")],
        False,
    ),
    "not_found": (
        [*(ApiError(f"HTTP {status}") for status in (404, 410)), ObjectDoesNotExist("x"), FileNotFoundError("x")],
        False,
    ),
    "resource": ([*(OSError(number, "x") for number in (12, 24, 28)), MemoryError(), ApiError("exit code 137")], False),
    "defect": (
        [error("x") for error in (AttributeError, NameError, ImportError, AssertionError, TypeError, IndexError)],
        False,
    ),
    "crash": ([ItemError("x", category="crash")], False),
    "unknown": ([RuntimeError("x")], None),
}


@pytest.mark.parametrize("category", TABLE)
def test_it_knows_every_line_of_the_table(category: str) -> None:
    errors, retryable = TABLE[category]
    for error in errors:
        found = classify(error, "", str(error))
        assert (found.category, found.retryable) == (category, retryable), repr(error)


@pytest.mark.parametrize("words", ["40001", "40P01"])
def test_a_deadlock_is_one_by_its_state_too(words: str) -> None:
    found = classify(ApiError(pgcode=words))
    assert (found.category, found.retryable, found.code) == ("conflict", True, "CONFLICT")


ABOUT_SOMETHING_ELSE = [
    (RuntimeError("Quotation SO-0015 has no lines"), ""),
    (ItemError("too late", code="QUOTATION_EXPIRED"), "QUOTATION_EXPIRED"),
    (RuntimeError("separate limits apply to this account"), ""),
    (RuntimeError("the corporate limit of this customer is used up"), ""),
    (RuntimeError("status 500 pieces are missing in order 7"), ""),
    (RuntimeError("this article is UNAVAILABLE in Norway"), ""),
    (ItemError("the date is over", code="TIMEOUT_DATE_IN_PAST"), "TIMEOUT_DATE_IN_PAST"),
    (ItemError("no such plug", code="CONNECTION_TYPE_UNKNOWN"), "CONNECTION_TYPE_UNKNOWN"),
]


@pytest.mark.parametrize(("error", "code"), ABOUT_SOMETHING_ELSE, ids=[f"{e} {c}" for e, c in ABOUT_SOMETHING_ELSE])
def test_it_takes_no_word_within_words_for_a_sign(error: Exception, code: str) -> None:
    found = classify(error, code, str(error))
    assert (found.category, found.retryable) == ("unknown", None)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Quota exceeded", "rate_limit"),
        ("rate-limited by the carrier", "rate_limit"),
        ("Too many requests", "rate_limit"),
        ("the read timed out", "timeout"),
        ("Connection refused", "network"),
        ("a deadlock of approvals", "conflict"),
    ],
)
def test_it_gives_prose_a_category_and_no_further_try(text: str, category: str) -> None:
    error = RuntimeError(text)
    found = classify(error, "", text)
    assert (found.category, found.retryable, found.classified_by) == (category, None, "message")
    assert not is_retryable(error, get("check_rows"), found)


@pytest.mark.parametrize(
    "text", ["status 503", "status: 503 (busy)", "status code=503", "HTTP error 503", "HTTP/2 503"]
)
def test_it_reads_a_status_where_one_is_written(text: str) -> None:
    assert classify(RuntimeError(text), "", text).category == "upstream"


def test_it_judges_a_group_by_the_member_that_no_other_try_can_mend() -> None:
    refused, missing = ConnectionRefusedError(111, "Connection refused"), KeyError("sku")
    nested = ExceptionGroup("unhandled errors", [refused, ExceptionGroup("inner", [missing])])
    described = describe_failure(nested, "", {})
    assert described.classification.category == "validation"
    assert described.message == "'sku' (and ConnectionRefusedError: [Errno 111] Connection refused)"
    alone = describe_failure(ExceptionGroup("unhandled errors", [refused, refused]), "", {})
    assert (alone.message, alone.classification.retryable) == ("[Errno 111] Connection refused", True)
