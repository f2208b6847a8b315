"""What the codes of others mean: HTTP's, the system's, those of databases and of services; by category of failure.

`deadlock` is a conflict that passes: with a lock, a serialization or a row that somebody else held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

HTTP: Mapping[int, str] = {
    **dict.fromkeys((420, 429, 509, 529), "rate_limit"),
    **dict.fromkeys((408, 504, 522, 524), "timeout"),
    **dict.fromkeys((500, 502, 503, 520, 521, 523, 530), "upstream"),
    **dict.fromkeys((400, 413, 414, 415, 422, 431), "validation"),
    **dict.fromkeys((409, 412), "conflict"),
    **dict.fromkeys((401, 403, 407, 511), "auth"),
    **dict.fromkeys((404, 410), "not_found"),
    **dict.fromkeys((405, 406, 501), "defect"),
    423: "deadlock",
    507: "resource",
}
REASONS: Mapping[str, int] = {
    **{status.phrase.lower(): status.value for status in HTTPStatus if status >= 400},
    "request entity too large": 413,
    "payload too large": 413,
    "unprocessable entity": 422,
    "service temporarily unavailable": 503,
    "gateway time-out": 504,
    "request time-out": 408,
}
"""What HTTP, and well-known servers, say beside a status, in lower case."""
LONG_REASONS = sorted((re.escape(reason) for reason in REASONS if " " in reason), key=len, reverse=True)
SHORT_REASONS = [re.escape(reason) for reason in REASONS if " " not in reason]
ERRNO: Mapping[int, str] = {
    **dict.fromkeys((60, 110), "timeout"),
    **dict.fromkeys((-2, -3, -5, 32, 54, 61, 100, 101, 103, 104, 111, 112, 113, 11001, 11002, 11004), "network"),
    **dict.fromkeys((12, 23, 24, 28, 30, 105, 122), "resource"),
    36: "validation",
}
"""Linux, with those of other systems that mean nothing else there. 1 and 5 are none: TLS errors carry them too."""
MYSQL: Mapping[int, str] = {
    **dict.fromkeys((1040, 1203, 1226), "rate_limit"),
    **dict.fromkeys((1205, 1213), "deadlock"),
    **dict.fromkeys((1062, 1586), "conflict"),
    **dict.fromkeys((1048, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 3819), "validation"),
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1698), "auth"),
    **dict.fromkeys((1054, 1064, 1146, 1305), "defect"),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2013, 2055), "network"),
    **dict.fromkeys((1053, 1290, 1792, 1836), "upstream"),
    **dict.fromkeys((1021, 1037, 1041, 1114), "resource"),
    **dict.fromkeys((1317, 3024), "timeout"),
}
ORACLE: Mapping[int, str] = {
    **dict.fromkeys((18, 20, 12516, 12518, 12519, 12520), "rate_limit"),
    **dict.fromkeys((54, 60, 8177, 30006), "deadlock"),
    1: "conflict",
    **dict.fromkeys((1400, 1407, 1438, 1722, 1840, 1841, 1843, 1858, 1861, 2290, 2291, 2292, 12899), "validation"),
    **dict.fromkeys((1017, 1031, 1045, 28000, 28001), "auth"),
    **dict.fromkeys((900, 904, 907, 911, 942, 6550), "defect"),
    **dict.fromkeys((3113, 3114, 3135, 12154, 12505, 12514, 12528, 12537, 12541, 12543, 12545, 12547), "network"),
    **dict.fromkeys((1033, 1034, 1089, 1109, 16000), "upstream"),
    **dict.fromkeys((257, 1536, 1652, 1653, 1654, 4030, 4031), "resource"),
    **dict.fromkeys((1013, 12170, 12535), "timeout"),
}
SQLSTATE = (
    (re.compile("57014|25P03|HYT0[01]"), "timeout"),
    (re.compile("40001|40P01|55P03"), "deadlock"),
    (re.compile("23505"), "conflict"),
    (re.compile("22...|23502|23503|23514"), "validation"),
    (re.compile("28...|42501"), "auth"),
    (re.compile("53300"), "rate_limit"),
    (re.compile("53..."), "resource"),
    (re.compile("08..."), "network"),
    (re.compile("25006|57P0.|58..."), "upstream"),
    (re.compile("25P02|42..."), "defect"),
)
SQLITE = (
    (re.compile("SQLITE_(BUSY|LOCKED)"), "deadlock"),
    (re.compile("SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)"), "conflict"),
    (re.compile("SQLITE_(CONSTRAINT|MISMATCH|TOOBIG)"), "validation"),
    (re.compile("SQLITE_(FULL|NOMEM|READONLY|IOERR|CANTOPEN)"), "resource"),
)
RPC: Mapping[str, str] = {
    "RESOURCE_EXHAUSTED": "rate_limit",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAVAILABLE": "network",
}
THROTTLED = re.compile(
    r"Throttl|RequestThrottled|RequestLimitExceeded|\bLimitExceeded|SlowDown|reduce your request rate", re.I
)
SERVICES = (
    (
        "rate_limit",
        re.compile(r"Throttl|SlowDown|TooManyRequests|(Request|Throughput|Bandwidth)LimitExceeded|ThroughputExceeded"),
    ),
    (
        "auth",
        re.compile(
            r"Skewed|Expired(Token|Exception)?|AccessDenied|Unauthorized|InvalidClientTokenId|UnrecognizedClient|Signature|AuthFailure|InvalidAccessKeyId"
        ),
    ),
    ("timeout", re.compile(r"^RequestTimeout|RequestTimedOut")),
    (
        "conflict",
        re.compile(r"ConditionalCheckFailed|AlreadyExists|AlreadyOwnedByYou|PreconditionFailed|ConflictException"),
    ),
    ("not_found", re.compile(r"^NoSuch|NotFound")),
    ("upstream", re.compile(r"^InternalError|InternalFailure|InternalServer|ServiceUnavailable")),
    ("validation", re.compile(r"^(Invalid|Malformed)|ValidationE|EntityTooLarge")),
)
"""Names that a cloud's services give their errors."""
