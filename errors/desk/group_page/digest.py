"""A group as Markdown, for tickets and for whoever is asked to fix it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from batches.wording import number_agrees, quantity
from errors.desk.group_page.failure import ShownFailure
from errors.desk.group_page.header import share
from errors.models import BatchGroup

LONGEST = 12_000


def digest(rollup: BatchGroup, failure: ShownFailure) -> str:
    """What failed, how often, one failure in full. Everything that came from outside stands in code."""
    group, batch = rollup.group, rollup.batch
    total = max(batch.total_items, rollup.items)
    items = number_agrees(total, "item", "items")
    lines = [
        f"## {code(str(group))}",
        "",
        f"- {rollup.items:,} of {total:,} {items} ({share(rollup.items, total)}) of batch {code(str(batch.pk))}, "
        f"{quantity(rollup.errors, 'error')}",
        f"- {group.category}, code {code(group.code)}, exception {code(group.error_type)}",
        f"- processor {code(group.processor or 'Python API')}, group {code(group.fingerprint)}, state {group.state}",
        f"- first seen {rollup.first_seen:%Y-%m-%d %H:%M:%S} UTC, last {rollup.last_seen:%Y-%m-%d %H:%M:%S} UTC",
    ]
    return "\n".join([*lines, "", *failure_lines(failure)])


def failure_lines(failure: ShownFailure) -> Iterable[str]:
    record = failure.record
    yield f"### Item {code(record.item_key)}, position {record.position:,}, attempt {record.attempt}"
    whole = failure.message if failure.is_message_longer else "".join(part.text for part in failure.parts)
    yield from ("", fenced(whole))
    if record.item:
        payload = json.dumps(failure.payload, indent=2, ensure_ascii=False, default=str)
        yield from ("", "Payload:", "", fenced(payload, "json"))
    if failure.marked:
        yield from ("", f"The message speaks of {', '.join(code(name) for name in failure.marked)}.")
    if failure.traceback:
        yield from ("", "Traceback:", "", fenced(failure.traceback))


def code(text: str) -> str:
    """Inline code that its content cannot end."""
    plain = " ".join(text.split())
    ticks = "`" * (longest_run(plain) + 1)
    space = " " if plain[:1] == "`" or plain[-1:] == "`" else ""
    return f"{ticks}{space}{plain}{space}{ticks}" if plain else "(empty)"


def fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, longest_run(text) + 1)
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut"
    return f"{fence}{language}\n{cut}\n{fence}"


def longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
