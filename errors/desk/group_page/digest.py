"""A group as Markdown, for tickets and for whoever is asked to fix it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from errors.desk.group_page.header import plural, share
from errors.models import BatchGroup

LONGEST = 12_000


def digest(rollup: BatchGroup, sample: Mapping[str, Any]) -> str:
    """What failed, how often, one failure in full. Everything that came from outside stands in code."""
    group, batch = rollup.group, rollup.batch
    total = max(batch.total_items, rollup.items)
    lines = [
        f"## {code(group.title or group.error_type)}",
        "",
        f"- {rollup.items:,} of {total:,} {plural(total, 'item')} ({share(rollup.items, total)}) of batch "
        f"{code(str(batch.pk))}, {rollup.errors:,} {plural(rollup.errors, 'error')}",
        f"- {group.category}, code {code(group.code)}, exception {code(group.error_type)}",
        f"- processor {code(group.processor or 'Python API')}, group {code(group.fingerprint)}, state {group.state}",
        f"- first seen {rollup.first_seen:%Y-%m-%d %H:%M:%S} UTC, last {rollup.last_seen:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if sample:
        lines += ["", *of_sample(sample)]
    return "\n".join(lines)


def of_sample(sample: Mapping[str, Any]) -> Iterable[str]:
    record = sample["record"]
    yield f"### Item {code(record.item_key)}, position {record.position:,}, attempt {record.attempt}"
    message = sample["message"] or "".join(part.text for part in sample["parts"])
    yield from ("", fenced(message))
    if record.item:
        payload = json.dumps(sample["payload"], indent=2, ensure_ascii=False, default=str)
        yield from ("", "Payload:", "", fenced(payload, "json"))
    if sample["marked"]:
        yield from ("", f"The message speaks of {', '.join(code(name) for name in sample['marked'])}.")
    if sample["traceback"]:
        yield from ("", "Traceback:", "", fenced(sample["traceback"]))


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
