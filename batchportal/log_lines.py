"""What is written to the log: a record begins one line and only one, whatever it quotes, and holds no secret."""

from __future__ import annotations

import logging
import re

from batches.redaction import redact_shapes, redact_values, sources_at_hand

UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows; line feeds apart."""
CONTINUED = "\n  "
"""Before the further lines of a record, such as those of a traceback: no line of a record begins with a time."""


class LogLine(logging.Formatter):
    """A record of the log."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = record.message.replace("\n", "\\n")
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = redact_shapes(redact_values(super().format(record), *sources_at_hand()))
        return UNPRINTABLE.sub(escaped, text).replace("\n", CONTINUED)


def escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()
