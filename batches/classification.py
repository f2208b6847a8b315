"""What kind of failure an exception is, and whether trying again may help. First match wins: the processor's word,
then a numeric or SQL code, then the class, then the message."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
SQLSTATE = (
    (re.compile("57014"), "timeout"),
    (re.compile("40001|40P01"), "deadlock"),
    (re.compile("23505"), "conflict"),
    (re.compile("22...|23502|23503|23514"), "validation"),
    (re.compile("28..."), "auth"),
)
THROTTLED = re.compile(r"Throttl|RequestLimitExceeded|\bLimitExceeded|RESOURCE_EXHAUSTED", re.I)
CLASSES = (
    ("timeout", re.compile(r"Timeout|DeadlineExceeded")),
    ("network", re.compile(r"^(Connection\w*Error|ConnectError|gaierror|herror|SSLError|BrokenPipeError|NetworkError)$")),
    ("not_found", re.compile(r"DoesNotExist$|^FileNotFoundError$|^Http404$")),
    ("auth", re.compile(r"^Permission(Error|Denied)$")),
    ("resource", re.compile(r"^MemoryError$")),
    ("validation", re.compile(r"^(\w*ValidationError|JSONDecodeError|Unicode\w*Error|KeyError|ValueError|DataError)$")),
    ("conflict", re.compile(r"^IntegrityError$")),
    ("defect", re.compile(r"^(AttributeError|NameError|ImportError|AssertionError|TypeError|IndexError)$")),
)
MESSAGES = (
    ("deadlock", re.compile(r"deadlock|database is locked", re.I)),
    ("rate_limit", re.compile(r"rate.?limit|too many requests|quota", re.I)),
    ("timeout", re.compile(r"timed? ?out|DEADLINE_EXCEEDED", re.I)),
    ("network", re.compile(r"connection (refused|reset|aborted)|unreachable|UNAVAILABLE", re.I)),
)
STATUS_IN_TEXT = re.compile(r"(?:HTTP(?:/[\d.]+)?|status(?: code)?)\s+(\d{3})\b|\b(\d{3}) (?:Client|Server) Error", re.I)


@dataclass(frozen=True, slots=True)
class Classification:
    """`retryable` is None where it depends; `classified_by` says which rule matched: explicit, code, class or message."""

    category: str
    code: str
    retryable: bool | None
    classified_by: str


def classify(exception: BaseException, code: str = "", message: str = "") -> Classification:
    """Category and code of a failure; an explicit code always wins as code."""
    category, by = find_category(exception, message)
    retryable = RETRYABLE.get(category)
    if category == "deadlock":
        category, retryable = "conflict", True
    return Classification(category, code or CODES.get(category, "UNKNOWN"), retryable, by)


def find_category(exception: BaseException, message: str) -> tuple[str, str]:
    said = getattr(exception, "category", "")
    if isinstance(said, str) and said in CODES:
        return said, "explicit"
    by_code = category_of_codes(exception, message)
    if by_code:
        return by_code, "code"
    for base in type(exception).__mro__[:-2]:
        for category, pattern in CLASSES:
            if pattern.search(base.__name__):
                return category, "class"
    for category, pattern in MESSAGES:
        if pattern.search(message[:2000]):
            return category, "message"
    return "unknown", "none"


def category_of_codes(exception: BaseException, message: str) -> str:
    """By HTTP status, SQLSTATE or errno, on the exception, its cause or in its words."""
    state = getattr(exception, "pgcode", None) or getattr(exception.__cause__, "pgcode", None)
    if isinstance(state, str):
        for pattern, category in SQLSTATE:
            if pattern.fullmatch(state):
                return category
    status = http_status(exception, message)
    if status in (400, 403, 503) and THROTTLED.search(message[:2000]):
        return "rate_limit"
    if status == 400 and "RequestTimeout" in message:
        return "timeout"
    if status in HTTP:
        return HTTP[status]
    number = getattr(exception, "errno", None)
    return ERRNO.get(number, "") if isinstance(number, int) else ""


def http_status(exception: BaseException, message: str) -> int:
    response = getattr(exception, "response", None)
    for value in (getattr(response, "status_code", None), getattr(exception, "status_code", None)):
        if isinstance(value, int):
            return value
    found = STATUS_IN_TEXT.search(message[:512])
    return int(found.group(1) or found.group(2)) if found else 0
