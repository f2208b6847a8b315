"""Failures that nothing in the portal mends: somebody renews, mends or adds something, and retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batches.wording import number_agrees, quantity
from errors.advice.facts import Advice, Facts, GroupFacts, alternative, evidence
from errors.advice.remedies import Remedy, cause_of_all, is_of_payload, is_period, largest, with_remedy
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items


@dataclass(frozen=True, slots=True)
class Repair:
    """`act` is what a person does, `why` what the failures say, with their number."""

    rule: str
    remedy: Remedy
    act: str
    why: str


REPAIRS = (
    Repair("credentials", Remedy.CREDENTIALS, "renew the credentials", "{errors} {were} refused for want of a right."),
    Repair(
        "certificate",
        Remedy.CERTIFICATE,
        "have the certificate renewed",
        "{errors} met a certificate that is not valid.",
    ),
    Repair("code", Remedy.CODE, "mend the code", "{errors} ended in an error of the code; the rows may be right."),
    Repair(
        "memory",
        Remedy.MEMORY,
        "give the workers more memory, or run fewer lanes",
        "{errors} ran out of memory or of another resource.",
    ),
    Repair(
        "database_memory",
        Remedy.DATABASE_MEMORY,
        "give the database more memory or locks, or let an item touch less of it",
        "{errors} found the database out of memory; that of the workers is not at fault.",
    ),
    Repair("disk", Remedy.DISK, "free room on the disk", "{errors} found no room on a disk."),
    Repair(
        "files",
        Remedy.FILES,
        "let workers open more files, or run fewer lanes",
        "{errors} had too many files or connections open; code that leaves them open may be the reason.",
    ),
    Repair(
        "writable",
        Remedy.WRITABLE,
        "make the place writable that workers write to",
        "{errors} could not write, as the file system or the file is read-only; a disk that fails is made so.",
    ),
    Repair(
        "clock",
        Remedy.CLOCK,
        "set the clock of the workers by a time server",
        "{errors} {were} refused because the time of their worker is not that of the other side.",
    ),
    Repair(
        "proxy",
        Remedy.PROXY,
        "give the workers the credentials of the proxy",
        "{errors} {were} turned away by a proxy on the way, not by the other side.",
    ),
    Repair(
        "missing",
        Remedy.MISSING,
        "add what they refer to, or correct the rows",
        "{errors} {refer} to something that is not there.",
    ),
    Repair(
        "place",
        Remedy.PLACE,
        "mend what happens at this place of the input",
        "{errors} {lie} at one place of the input; the rows themselves may be right.",
    ),
)


def repairs(facts: Facts) -> list[Advice]:
    """One piece of advice for each repair that is needed."""
    return [
        advice_on(repair, groups, facts)
        for repair in REPAIRS
        if (groups := [group for group in with_remedy(facts, repair.remedy) if group.errors])
    ]


def advice_on(repair: Repair, groups: Sequence[GroupFacts], facts: Facts) -> Advice:
    """With what sets the items apart they are set aside until the repair is done."""
    cause = cause_of_all(groups, facts, is_of_payload) or cause_of_all(groups, facts, is_period)
    items, errors = failed_items(groups), failed_attempts(groups)
    main = largest(groups)
    why = f"{told(repair, errors)} {'Most of them: ' if len(groups) > 1 else ''}{main.title}."
    again = alternative("Done: try a few of them", "retry", group=main.fingerprint, permanent=True, canary=20)
    return Advice(
        rule=repair.rule,
        subject=repair.rule,
        title=title_of(repair, items, cause),
        why=f"{why} {cause['sentence']}" if cause else why,
        confidence="strong" if cause else "moderate" if errors >= LEAST_ERRORS else "low",
        verb="hold" if is_held(cause) else "wait",
        params={"where": {"conditions": cause["where"]["conditions"]}} if cause and is_held(cause) else {},
        items=int(cause["failed"]) if cause and is_held(cause) else items,
        weight=errors,
        evidence=[evidence("attempts that failed so", errors, facts.errors)],
        findings=[str(cause["text"])] if cause else [],
        alternatives=[again] if items else [],
    )


def told(repair: Repair, errors: int) -> str:
    """What so many attempts say."""
    forms = (("was", "were"), ("refers", "refer"), ("lies", "lie"))
    verbs = {plural: number_agrees(errors, singular, plural) for singular, plural in forms}
    return repair.why.format(errors=quantity(errors, "attempt"), **verbs)


def is_held(cause: Mapping[str, Any] | None) -> bool:
    """Whether the cause names items by their payload, so that they can be set aside."""
    return bool(cause) and bool(cause and cause["where"].get("conditions"))


def title_of(repair: Repair, items: int, cause: Mapping[str, Any] | None) -> str:
    if cause and is_held(cause):
        return f"Set aside the items with {cause['text']}; {repair.act}, then retry them"
    where = f" ({cause['text']})" if cause else ""
    act = repair.act[0].upper() + repair.act[1:]
    return f"{act}{where}, then retry {quantity(items, 'item')}" if items else f"{act}{where}"
