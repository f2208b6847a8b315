"""What makes failures of a group pass, if anything does: the cause decides, not how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from batches.lanes.failure_words import DUPLICATE
from errors.advice.facts import Facts, GroupFacts
from errors.detectors.conditions import CIRCUMSTANCE_PREFIX, are_circumstances
from errors.detectors.findings import EVERYTHING

SURE = ("strong", "moderate")
"""Confidence of findings that advice builds upon."""
EXPLAINED = 0.8
"""Of the failures counted, this share lies within a finding that explains them."""
PLACES_OF_RUN = (CIRCUMSTANCE_PREFIX + "host", CIRCUMSTANCE_PREFIX + "worker")
CERTIFICATE = re.compile(r"certificate|CERT_HAS_EXPIRED", re.I)
DISK = re.compile(r"\[Errno (28|122)\]|no space left|disk (is )?full|disk quota", re.I)
FILES = re.compile(r"\[Errno 2[34]\]|too many open files", re.I)
NOT_WRITABLE = re.compile(r"\[Errno 30\]|read-only file system|readonly database|SQLITE_READONLY", re.I)
DATABASE_MEMORY = re.compile(
    r"out of shared memory|\bSQLSTATE[ \[:=]+53200|^OperationalError\b.*\bout of memory|^OutOfMemory\b|\bORA-0403[01]\b"
    r"|max_locks_per_transaction",
    re.I | re.S,
)
"""Of a server, which has another memory than the workers."""
CLOCK = re.compile(
    r"time ?too ?skewed|clock skew|signature (has )?expired|signature not yet (current|valid)|used too early"
    r"|not yet valid \(iat\)|ImmatureSignature",
    re.I,
)
PROXY = re.compile(r"\bproxy\b|\b407\b", re.I)


class Remedy(StrEnum):
    """What has to be done before items of a group can pass."""

    RETRY = "retry", "They may pass as they are"
    SLOWER = "slower", "They pass if less runs at a time"
    TIME = "time", "They may pass with a longer time limit"
    CORRECT = "correct", "The rows have to be corrected"
    MISSING = "missing", "What the rows refer to has to be there"
    CREDENTIALS = "credentials", "Credentials have to be renewed"
    CERTIFICATE = "certificate", "A certificate has to be renewed"
    CODE = "code", "The code has to be mended"
    DATABASE_MEMORY = "database_memory", "The database needs more memory, or smaller transactions"
    MEMORY = "memory", "Workers need more memory, or fewer lanes"
    DISK = "disk", "A disk needs room"
    FILES = "files", "Workers may open too few files, or leave them open"
    WRITABLE = "writable", "A place where workers write is read-only"
    CLOCK = "clock", "The clock of the workers has to be set"
    PROXY = "proxy", "A proxy has to let the workers through"
    DUPLICATE = "duplicate", "They exist already: nothing is to be done"
    HOST = "host", "A worker or its machine has to be mended"
    PLACE = "place", "What happens at this place of the input has to be mended"
    LEAVE = "leave", "They take workers down: leave them"

    def __new__(cls, value: str, meaning: str) -> Remedy:
        member = str.__new__(cls, value)
        member._value_ = value
        member.__doc__ = meaning
        return member


BY_CATEGORY: Mapping[str, Remedy] = {
    "validation": Remedy.CORRECT,
    "not_found": Remedy.MISSING,
    "auth": Remedy.CREDENTIALS,
    "defect": Remedy.CODE,
    "resource": Remedy.MEMORY,
    "conflict": Remedy.DUPLICATE,
    "crash": Remedy.LEAVE,
    "rate_limit": Remedy.SLOWER,
    "timeout": Remedy.TIME,
}
"""Of the other categories items may pass as they are."""
REPAIRED_BY_PEOPLE = (
    *(Remedy.MISSING, Remedy.CREDENTIALS, Remedy.CERTIFICATE, Remedy.CODE, Remedy.MEMORY, Remedy.DISK, Remedy.FILES),
    *(Remedy.DATABASE_MEMORY, Remedy.WRITABLE, Remedy.CLOCK, Remedy.PROXY, Remedy.HOST, Remedy.PLACE),
)
"""Nothing that a batch can do by itself: somebody mends something, and retries."""
RETRIED = (Remedy.RETRY, Remedy.SLOWER, Remedy.TIME)
BY_WORDS = (
    ("network", CERTIFICATE, Remedy.CERTIFICATE),
    ("auth", CLOCK, Remedy.CLOCK),
    ("auth", PROXY, Remedy.PROXY),
    ("resource", DISK, Remedy.DISK),
    ("resource", FILES, Remedy.FILES),
    ("resource", DATABASE_MEMORY, Remedy.DATABASE_MEMORY),
    ("resource", NOT_WRITABLE, Remedy.WRITABLE),
)
"""Of failures of a category, what those need whose class or message says so; the first that matches."""
OWN_CODE_AT_FAULT = ("UnicodeEncodeError",)
"""Classes of exceptions that look like refused input, and come from code that writes it."""


def remedy_of(group: GroupFacts, facts: Facts) -> Remedy:
    """By what sets the failures apart where that is known, else by their category and words."""
    cause = cause_of(group, facts, names_a_cause)
    if cause and group.category not in ("rate_limit", "crash") and is_place_of_run(cause):
        return Remedy.HOST
    if group.category == "validation" and group.error_type in OWN_CODE_AT_FAULT:
        return Remedy.CODE
    if cause and group.category == "validation" and is_period(cause):
        return Remedy.PLACE
    if group.category == "conflict" and group.permanent < group.items and not DUPLICATE.search(group.title):
        return Remedy.RETRY
    return remedy_by_words(group) or BY_CATEGORY.get(group.category, Remedy.RETRY)


def remedy_by_words(group: GroupFacts) -> Remedy | None:
    words = f"{group.error_type} {group.title}"
    remedies = (
        remedy for category, pattern, remedy in BY_WORDS if category == group.category and pattern.search(words)
    )
    return next(remedies, None)


def with_remedy(facts: Facts, *remedies: Remedy) -> list[GroupFacts]:
    return [group for group in facts.groups if remedy_of(group, facts) in remedies]


# -- findings about a group --------------------------------------------------------------------------------------------


def cause_of(group: GroupFacts, facts: Facts, is_kind: Any) -> Mapping[str, Any] | None:
    """The strongest finding of a kind in which nearly all of the group's failures lie."""
    streams = (group.fingerprint, group.category, EVERYTHING)
    findings = (finding for finding in sure_findings(facts) if finding["stream"] in streams and is_kind(finding))
    return next((finding for finding in findings if coverage(finding) >= EXPLAINED), None)


def cause_of_all(groups: Sequence[GroupFacts], facts: Facts, is_kind: Any) -> Mapping[str, Any] | None:
    """The finding that explains the largest of the groups."""
    return cause_of(largest(groups), facts, is_kind)


def sure_findings(facts: Facts) -> Iterator[Mapping[str, Any]]:
    return (finding for finding in facts.findings if finding["confidence"] in SURE)


def coverage(finding: Mapping[str, Any]) -> float:
    failures = int(finding["failed"]) + int(finding["others_failed"])
    return int(finding["failed"]) / failures if failures else 0.0


def is_place_of_run(finding: Mapping[str, Any]) -> bool:
    """Whether it says by which worker, or on which host, items failed."""
    return any(name in PLACES_OF_RUN for name in finding["where"].get("fields", ()))


def names_a_cause(finding: Mapping[str, Any]) -> bool:
    return is_of_payload(finding) or is_place_of_run(finding) or is_period(finding)


def is_period(finding: Mapping[str, Any]) -> bool:
    return "period" in finding["where"]


def is_of_payload(finding: Mapping[str, Any]) -> bool:
    """Whether it says what is in the items."""
    fields = finding["where"].get("fields")
    return bool(fields) and not are_circumstances(fields)


def subjects_of(finding: Mapping[str, Any], facts: Facts) -> list[GroupFacts]:
    """The groups whose failures a finding counts, those with the most failed items first."""
    stream = finding["stream"]
    groups = [group for group in facts.groups if stream in (group.fingerprint, group.category, EVERYTHING)]
    return sorted(groups, key=lambda group: -group.items)


def largest(groups: Sequence[GroupFacts]) -> GroupFacts:
    return max(groups, key=lambda group: (group.items, group.errors))
