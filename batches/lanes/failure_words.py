"""What messages say in words, where no code says it: databases, which own classes vouch for, and prose of anybody."""

from __future__ import annotations

import re

LOCKED = re.compile(r"deadlock|database (table )?is locked|lock (wait )?timeout|could not serialize access", re.I)
DUPLICATE = re.compile(
    r"\bduplicate key value violates unique constraint\b|\bunique constraint failed:"
    r"|\bduplicate entry '.{0,200}' for key\b"
    r"|\bviolation of (unique|primary) key constraint\b|\bE11000 duplicate key\b",
    re.I,
)
"""As PostgreSQL, SQLite, MySQL, SQL Server and MongoDB say it."""
NO_CONNECTION_LEFT = re.compile(
    r"too many (clients|connections)\b|remaining connection slots|max_client_conn|max_user_connections"
    r"|QueuePool limit .{0,80}reached|connection pool (is )?exhausted",
    re.I,
)
NOT_REACHED = re.compile(
    r"\bconnection (refused|reset|aborted|timed out)\b|\bcould not (connect|translate host name)\b"
    r"|server closed the connection|\bclosed by (the )?(remote|peer|server)|connection (already|unexpectedly) closed"
    r"|lost connection (to|during)|server has gone away|database system is (starting up|shutting down|in recovery)",
    re.I,
)
READ_ONLY = re.compile(r"\bread[- ]?only (transaction|replica)|--read-only option|--super-read-only", re.I)
DATABASE_WORDS = (
    ("deadlock", LOCKED),
    ("rate_limit", NO_CONNECTION_LEFT),
    ("upstream", READ_ONLY),
    ("network", NOT_REACHED),
)
"""What a database's own exception says, where its driver hangs no code on it."""
MESSAGE_PATTERNS = (
    ("conflict", re.compile(rf"\bdeadlock(ed|s)?\b|{LOCKED.pattern}|{DUPLICATE.pattern}", re.I)),
    (
        "auth",
        re.compile(r"\brequest ?time ?too ?skewed\b|\bclock skew\b|proxy authentication required|\[Errno 13\]", re.I),
    ),
    (
        "rate_limit",
        re.compile(
            r"\brate[ _-]?limit(s|ed|ing)?\b|\btoo many requests\b|\bquota\b|reduce your request rate"
            rf"|\bSlowDown\b|{NO_CONNECTION_LEFT.pattern}",
            re.I,
        ),
    ),
    (
        "resource",
        re.compile(
            r"\bno space left\b|\binput/output error\b"
            r"|\bdisk (is )?full\b|\bdisk quota exceeded\b|\bread-only file system\b"
            r"|\btoo many open files\b|\bout ?of ?memory|\bcannot allocate memory\b|readonly database",
            re.I,
        ),
    ),
    ("upstream", READ_ONLY),
    ("timeout", re.compile(r"\btimed?[ -]?out\b", re.I)),
    (
        "network",
        re.compile(
            r"\bunreachable\b|\bbroken pipe\b|\bname or service not known\b|\bname resolution\b|\bgetaddrinfo\b"
            r"|\bcould not resolve\b|\bfailed to resolve\b|\bnodename nor servname\b|\bno such host\b"
            r"|\bno address associated with host|\b(ssl|tls)\b.{0,40}\bhandshake|handshake[_ ](failed|failure)\b"
            rf"|\bEOF occurred in violation of protocol\b|\bcannot connect to proxy\b|{NOT_REACHED.pattern}",
            re.I,
        ),
    ),
    (
        "validation",
        re.compile(
            r"\bcodec can't (en|de)code\b|\binvalid byte sequence for encoding\b|\bincorrect string value\b", re.I
        ),
    ),
)
"""What prose says: it gives a failure its category, and nothing is tried again for it."""
