"""What kind of failure an exception is, and whether trying again may help. First match wins: the processor's word,
then a code (HTTP, SQL, errno, or in words), then the class, then the message."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from batches.failures import Classification

CODES = {
    "rate_limit": "RATE_LIMITED",
    "timeout": "TIMEOUT",
    "network": "NETWORK_ERROR",
    "upstream": "UPSTREAM_ERROR",
    "validation": "VALIDATION_FAILED",
    "conflict": "CONFLICT",
    "auth": "AUTH_FAILED",
    "not_found": "NOT_FOUND",
    "resource": "RESOURCE_EXHAUSTED",
    "defect": "DEFECT",
    "crash": "WORKER_CRASH",
    "unknown": "UNKNOWN",
}
RETRYABLE: dict[str, bool | None] = {
    "rate_limit": True,
    "timeout": None,
    "network": True,
    "upstream": True,
    "validation": False,
    "conflict": False,
    "auth": False,
    "not_found": False,
    "resource": False,
    "defect": False,
    "crash": False,
    "unknown": None,
}
"""Whether a category is worth another try; None: it depends."""

HTTP = {
    **dict.fromkeys((429, 509), "rate_limit"),
    **dict.fromkeys((408, 504), "timeout"),
    **dict.fromkeys((500, 502, 503), "upstream"),
    **dict.fromkeys((400, 422), "validation"),
    **dict.fromkeys((409, 412), "conflict"),
    **dict.fromkeys((401, 403), "auth"),
    **dict.fromkeys((404, 410), "not_found"),
}
ERRNO = {
    110: "timeout",
    **dict.fromkeys((101, 103, 104, 111, 113), "network"),
    **dict.fromkeys((12, 24, 28), "resource"),
}
MYSQL = {1062: "conflict", 1205: "deadlock", 1213: "deadlock"}
SQLSTATE = (
    (re.compile("57014"), "timeout"),
    (re.compile("40001|40P01"), "deadlock"),
    (re.compile("23505"), "conflict"),
    (re.compile("22...|23502|23503|23514"), "validation"),
    (re.compile("28..."), "auth"),
)
SQLITE = (
    (re.compile("SQLITE_(BUSY|LOCKED)"), "deadlock"),
    (re.compile("SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)"), "conflict"),
    (re.compile("SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)"), "validation"),
    (re.compile("SQLITE_(FULL|NOMEM)"), "resource"),
)
THROTTLED = re.compile(r"Throttl|RequestThrottled|RequestLimitExceeded|\bLimitExceeded", re.I)
OWN_CODE_PATTERNS = (
    ("rate_limit", re.compile(r"RATE_?LIMIT|TOO_MANY_REQUESTS|QUOTA|THROTTL|RESOURCE_EXHAUSTED")),
    ("timeout", re.compile(r"TIME_?OUT|TIMED_OUT|DEADLINE_EXCEEDED")),
    ("network", re.compile(r"^(NETWORK|CONNECTION|CONNECT|DNS|SSL|TLS|SOCKET)(_|$)|^UNAVAILABLE$")),
    ("validation", re.compile(r"VALIDATION|^INVALID")),
    ("not_found", re.compile(r"NOT_FOUND$")),
    ("conflict", re.compile(r"^(CONFLICT|DUPLICATE)")),
    ("auth", re.compile(r"^(AUTH(_|$|EN|OR)|UNAUTHORI[SZ]ED|FORBIDDEN)")),
)
"""What a code of the processor's own means by its words."""
CLASS_PATTERNS = (
    ("timeout", re.compile(r"Timeout|DeadlineExceeded")),
    (
        "network",
        re.compile(r"^(Connection\w*Error|ConnectError|[gh]a?i?error|SSLError|BrokenPipeError|NetworkError)$"),
    ),
    ("not_found", re.compile(r"DoesNotExist$|^FileNotFoundError$|^Http404$")),
    ("auth", re.compile(r"^Permission(Error|Denied)$")),
    ("resource", re.compile(r"^MemoryError$")),
    ("validation", re.compile(r"^(\w*ValidationError|JSONDecodeError|Unicode\w*Error|KeyError|ValueError|DataError)$")),
    ("conflict", re.compile(r"^IntegrityError$")),
    ("defect", re.compile(r"^(AttributeError|NameError|ImportError|AssertionError|TypeError|IndexError)$")),
)
MESSAGE_PATTERNS = (
    ("deadlock", re.compile(r"deadlock|database is locked", re.I)),
    ("rate_limit", re.compile(r"rate.?limit|too many requests|quota|RESOURCE_EXHAUSTED", re.I)),
    ("timeout", re.compile(r"timed? ?out|DEADLINE_EXCEEDED", re.I)),
    ("network", re.compile(r"connection (refused|reset|aborted)|unreachable|\bUNAVAILABLE\b", re.I)),
)
STATUS_IN_TEXT = re.compile(
    r"(?:HTTP(?:/[\d.]+)?|status(?: code)?:?)\s+(\d{3})\b|\b(\d{3}) (?:Client|Server) Error", re.I
)
SQLSTATE_IN_TEXT = re.compile(r"\bSQLSTATE[ \[]+([0-9A-Z]{5})\b")
ERRNO_IN_TEXT = re.compile(r"\[Errno (\d+)\]")
MYSQL_IN_TEXT = re.compile(r"^\((\d{4}),")
DIGIT = re.compile(r"\d")
KILLED_IN_TEXT = re.compile(r"exit (?:code|status) 137\b", re.I)
MESSAGE_LENGTH_READ = 2000  # characters of a message in which words are looked for


def classify(exception: BaseException, code: str = "", message: str = "") -> Classification:
    """Category and code of a failure; an explicit code always wins as code."""
    category, rule = find_category(exception, code, message[:MESSAGE_LENGTH_READ])
    retryable = RETRYABLE.get(category)
    if category == "deadlock":
        category, retryable = "conflict", True
    own = attribute_of(exception, "retryable")
    return Classification(category, code or CODES[category], own if isinstance(own, bool) else retryable, rule)


def attribute_of(thing: object, name: str) -> Any:
    """An attribute of an object of foreign code; None if it has none, or raises."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def find_category(exception: BaseException, code: str, message: str) -> tuple[str, str]:
    """(category, the rule that matched)."""
    own = attribute_of(exception, "category")
    if isinstance(own, str) and own in CODES:
        return own, "explicit"
    if category := by_own_code(code) or by_attributes(exception, message) or by_numbers_in(message):
        return category, "code"
    if category := by_class(exception):
        return category, "class"
    if category := first_match(MESSAGE_PATTERNS, message):
        return category, "message"
    return "unknown", "none"


def first_match(rules: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str:
    return next((category for category, pattern in rules if pattern.search(text)), "")


def by_own_code(code: str) -> str:
    """What the processor's own code says: one of ours, an HTTP status, an SQLSTATE, or plain words."""
    if not code:
        return ""
    plain = code.upper().replace("-", "_")
    default = next((category for category, default in CODES.items() if default == plain), "")
    number = re.fullmatch(r"(?:HTTP_?)?(\d{3})", plain)
    by_number = HTTP.get(int(number[1]), "") if number else ""
    return default or by_number or by_sqlstate(plain) or first_match(OWN_CODE_PATTERNS, plain)


def by_attributes(exception: BaseException, message: str) -> str:
    """By what drivers and clients hang on their exceptions: SQLSTATE, SQLite's name, HTTP status, errno."""
    for error in (exception, exception.__cause__):
        state, name = attribute_of(error, "pgcode"), attribute_of(error, "sqlite_errorname")
        if category := by_sqlstate(state) or (sqlite_category(name) if isinstance(name, str) else ""):
            return category
    if category := by_http(status_of(exception), f"{message} {code_in_response(exception)}"):
        return category
    number = attribute_of(exception, "errno")
    return ERRNO.get(number, "") if isinstance(number, int) else ""


def by_sqlstate(state: object) -> str:
    if not isinstance(state, str):
        return ""
    return next((category for pattern, category in SQLSTATE if pattern.fullmatch(state)), "")


def sqlite_category(name: str) -> str:
    return next((category for pattern, category in SQLITE if pattern.match(name)), "")


def by_http(status: int, text: str) -> str:
    """A status alone, or one that the text beside it turns into something else."""
    if status in (400, 403, 503) and THROTTLED.search(text):
        return "rate_limit"
    if status == 400 and "RequestTimeout" in text:
        return "timeout"
    return HTTP.get(status, "")


def status_of(exception: BaseException) -> int:
    """The HTTP status an exception carries, as requests, httpx, urllib and botocore hang it on; 0 for none."""
    response = attribute_of(exception, "response")
    if isinstance(response, dict):
        response = response.get("ResponseMetadata")
        values = [response.get("HTTPStatusCode")] if isinstance(response, dict) else []
    else:
        values = [attribute_of(response, "status_code"), attribute_of(exception, "status_code")]
    if not isinstance(exception, SystemExit):
        values.append(attribute_of(exception, "code"))
    return next((value for value in values if isinstance(value, int) and 100 <= value <= 599), 0)


def code_in_response(exception: BaseException) -> str:
    """botocore's name of the error."""
    response = attribute_of(exception, "response")
    error = response.get("Error") if isinstance(response, dict) else None
    return str(error.get("Code", ""))[:100] if isinstance(error, dict) else ""


def by_numbers_in(message: str) -> str:
    """By a number in the words: an HTTP status, an SQLSTATE, an errno, MySQL's, the exit code of a killed process."""
    if not DIGIT.search(message):
        return ""
    if match := STATUS_IN_TEXT.search(message[:512]):
        return by_http(int(match[1] or match[2]), message)
    if match := SQLSTATE_IN_TEXT.search(message):
        return by_sqlstate(match[1])
    if match := ERRNO_IN_TEXT.search(message):
        return ERRNO.get(int(match[1]), "")
    if match := MYSQL_IN_TEXT.search(message):
        return MYSQL.get(int(match[1]), "")
    return "resource" if KILLED_IN_TEXT.search(message) else ""


def by_class(exception: BaseException) -> str:
    """By the class or the nearest of its bases that says anything."""
    for base in type(exception).__mro__:
        if category := by_class_name(base.__name__):
            return category
    return ""


@lru_cache(maxsize=1024)
def by_class_name(name: str) -> str:
    return first_match(CLASS_PATTERNS, name)
