"""What kind of failure an exception is, and whether trying again may help. First match wins: the processor's word,
then a code (HTTP, SQL, errno, or in words), then the class, then the message, by whose prose nothing is retried."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from batches.failures import Classification
from batches.lanes import error_codes
from batches.lanes.failure_words import DATABASE_WORDS, MESSAGE_PATTERNS

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

HAPPENED = r"(_?(EXCEEDED|REACHED|HIT|ERROR|EXCEPTION|EXPIRED|FAILURE|FAILED))?$"
"""What may follow the words of an own code by which it is tried again; any other word after them is about something
else: TIMEOUT_DATE_IN_PAST, CONNECTION_TYPE_UNKNOWN."""
OWN_CODE_PATTERNS = (
    (
        "rate_limit",
        re.compile(
            r"(^|_)(RATE_?LIMIT(ED|ING)?|TOO_?MANY_?REQUESTS|QUOTA(_LIMIT)?|(REQUEST_?)?THROTTL(ED|ING)|"
            rf"(REQUEST_?)?LIMIT_?EXCEEDED|RESOURCE_EXHAUSTED){HAPPENED}"
        ),
    ),
    ("timeout", re.compile(rf"(^|_)(TIME_?OUT|TIMED_?OUT|DEADLINE_EXCEEDED){HAPPENED}")),
    (
        "network",
        re.compile(
            r"^(NETWORK|CONNECTION|CONNECT|DNS|SSL|TLS|SOCKET)(_(REFUSED|RESET|ABORTED|LOST|CLOSED|BROKEN|DOWN))?"
            rf"{HAPPENED}|^(NETWORK_|HOST_)?(UNAVAILABLE|UNREACHABLE)$"
        ),
    ),
    ("validation", re.compile(r"VALIDATION|^INVALID")),
    ("not_found", re.compile(r"NOT_FOUND$")),
    ("conflict", re.compile(r"^(CONFLICT|DUPLICATE)")),
    ("auth", re.compile(r"^(AUTH(_|$|EN|OR)|UNAUTHORI[SZ]ED|FORBIDDEN)")),
)
"""What a code of the processor's own means by its words."""
CLASS_PATTERNS = (
    (
        "rate_limit",
        re.compile(r"^(RateLimit(ed|Exceeded)?|TooManyRequests|Throttl(ed|ing)|ResourceExhausted)(Error|Exception)?$"),
    ),
    ("timeout", re.compile(r"(Timeout|TimedOut|DeadlineExceeded)(Error|Exception|Expired|Exceeded)?$")),
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
RPC_STATUS = re.compile(
    r"(?:^|\bStatusCode\.|\bstatus ?[:=] ?)(RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED|UNAVAILABLE)(?=$|\W)"
)
DATABASE_CLASS = re.compile(r"^(OperationalError|DatabaseError|InternalError|TransactionRollbackError)$")
STATUS_IN_TEXT = re.compile(
    r"(?:\bHTTP(?:/[\d.]+)?(?: (?:status|error|code))*:?|\bstatus[ _]code:?=?|\bstatus ?[:=]|<Response \[)\s*(\d{3})\b"
    r"|\bstatus (\d{3})(?=$|[.,;:)\]]|\s*[-–(])"
    r"|\b(\d{3}) (?:Client|Server) Error",
    re.I,
)
"""An HTTP status in words; `status 500 pieces` is none."""
REASON_IN_TEXT = re.compile(
    r"(?:^|[:(\[-]\s?)(\d{3})[ :-]{1,3}"
    rf"({'|'.join(error_codes.LONG_REASONS)}|(?:{'|'.join(error_codes.SHORT_REASONS)})(?=\s*(?:$|[\n.,;:()<-])|\s+for\b))",
    re.I,
)
"""A status with its reason, as servers and proxies write them: `503 Service Unavailable`, not `423 locked accounts`."""
SQLSTATE_IN_TEXT = re.compile(r"\bSQLSTATE[ \[:=]+([0-9A-Z]{5})\b|^\('([0-9A-Z]{5})', ")
ERRNO_IN_TEXT = re.compile(r"\[Errno (-?\d+)\]")
MYSQL_IN_TEXT = re.compile(r"^\((\d{4}),|^(?:ERROR )?(\d{4}) \([0-9A-Z]{5}\)")
ORACLE_IN_TEXT = re.compile(r"\bORA-(\d{5})\b")
SERVICE_IN_TEXT = re.compile(r"\bAn error occurred \((\w{3,60})\)")
DIGIT = re.compile(r"\d")
KILLED_IN_TEXT = re.compile(r"exit (?:code|status) 137\b", re.I)
MESSAGE_LENGTH_READ = 2000  # characters of a message in which words are looked for


def classify(exception: BaseException, code: str = "", message: str = "") -> Classification:
    """Category and code of a failure; an explicit code always wins as code."""
    category, rule = find_category(exception, code, message[:MESSAGE_LENGTH_READ])
    retryable = RETRYABLE.get(category) if rule != "message" else None
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
    if category := by_own_code(code) or by_attributes(exception, message) or by_status_in(message):
        return category, "code"
    if category := by_class(exception, message):
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
    by_number = error_codes.HTTP.get(int(number[1]), "") if number else ""
    return default or by_number or by_sqlstate(plain) or first_match(OWN_CODE_PATTERNS, plain)


def by_attributes(exception: BaseException, message: str) -> str:
    """By what drivers and clients hang on their exceptions: SQLSTATE, SQLite's name, HTTP status, errno."""
    for error in (exception, exception.__cause__):
        state = attribute_of(error, "pgcode") or attribute_of(error, "sqlstate")
        name = attribute_of(error, "sqlite_errorname")
        if category := by_sqlstate(state) or (sqlite_category(name) if isinstance(name, str) else ""):
            return category
    if category := by_http(status_of(exception), f"{message} {code_in_response(exception)}"):
        return category
    number = attribute_of(exception, "errno")
    return error_codes.ERRNO.get(number) or error_codes.MYSQL.get(number, "") if isinstance(number, int) else ""


def by_sqlstate(state: object) -> str:
    if not isinstance(state, str):
        return ""
    return next((category for pattern, category in error_codes.SQLSTATE if pattern.fullmatch(state)), "")


def sqlite_category(name: str) -> str:
    return next((category for pattern, category in error_codes.SQLITE if pattern.match(name)), "")


def by_http(status: int, text: str) -> str:
    """A status alone, or one that the text beside it turns into something else."""
    if status in (400, 403, 503) and error_codes.THROTTLED.search(text):
        return "rate_limit"
    if status == 400 and "RequestTimeout" in text:
        return "timeout"
    return error_codes.HTTP.get(status, "")


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


def by_status_in(message: str) -> str:
    """By a status in the words: HTTP's, gRPC's, an SQLSTATE, an errno, a database's, a killed process's."""
    if match := RPC_STATUS.search(message[:512]):
        return error_codes.RPC[match[1]]
    if match := SERVICE_IN_TEXT.search(message):
        return first_match(error_codes.SERVICES, match[1])
    if not DIGIT.search(message):
        return ""
    if match := STATUS_IN_TEXT.search(message[:512]):
        return by_http(int(match[1] or match[2] or match[3]), message)
    match = REASON_IN_TEXT.search(message[:512])
    if match and error_codes.REASONS[match[2].lower()] == int(match[1]):
        return by_http(int(match[1]), message)
    return by_number_in(message)


def by_number_in(message: str) -> str:
    """By a number that a database or the system has given to the failure."""
    if match := SQLSTATE_IN_TEXT.search(message):
        return by_sqlstate(match[1] or match[2])
    if match := ERRNO_IN_TEXT.search(message):
        return error_codes.ERRNO.get(int(match[1]), "")
    if match := MYSQL_IN_TEXT.search(message):
        return error_codes.MYSQL.get(int(match[1] or match[2]), "")
    if match := ORACLE_IN_TEXT.search(message):
        return error_codes.ORACLE.get(int(match[1]), "")
    return "resource" if KILLED_IN_TEXT.search(message) else ""


def by_class(exception: BaseException, message: str) -> str:
    """By the class or the nearest of its bases that says anything; a database's error may say more."""
    for base in type(exception).__mro__:
        if DATABASE_CLASS.match(base.__name__) and (category := first_match(DATABASE_WORDS, message)):
            return category
        if category := by_class_name(base.__name__):
            return category
    return ""


@lru_cache(maxsize=1024)
def by_class_name(name: str) -> str:
    return first_match(CLASS_PATTERNS, name)
