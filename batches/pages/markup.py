"""Values as HTML: a status with its sign, and JSON."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.engine.waiting_reasons import Standing
from batches.processors.parameters import is_description

ICONS = {
    "PENDING": "○",
    "QUEUED": "◔",
    "RUNNING": "▶",
    "PAUSING": "‖",
    "PAUSED": "‖",
    "CANCELLING": "⊘",
    "CANCELLED": "⊘",
    "HALTED": "■",
    "COMPLETED": "✓",
    "FAILED": "✕",
    "ARCHIVING": "▽",
    "ARCHIVED": "▼",
    "DELETING": "✕",
    "SUCCEEDED": "✓",
    "SKIPPED": "–",
    "QUARANTINED": "☣",
}


def pill(status: str, label: str) -> SafeString:
    """A status by its label, with its sign and colour."""
    return format_html(
        '<span class="bp-pill bp-{}"><span aria-hidden="true">{}</span> {}</span>',
        status.lower(),
        ICONS.get(status, ""),
        label,
    )


def standing_pill(standing: Standing) -> SafeString:
    """What is shown of a batch's status."""
    return pill(standing.status, standing.label)


def pretty(value: Any) -> SafeString:
    """JSON on several lines."""
    return format_html('<pre class="bp-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def value_text(value: Any) -> str:
    """Text as it is, a file by its name and size, anything else as JSON on one line."""
    if is_description(value):
        return f"{value['filename']} ({value['bytes']:,} bytes)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
