"""Fields and validators of the engine's own."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


def positive_number(value: float) -> None:
    """A validator that NaN and infinity do not pass."""
    if not (math.isfinite(value) and value > 0):
        raise ValidationError("Enter a number greater than 0.")


class HexKeyField(models.BinaryField):
    """A sha256 kept as 32 raw bytes (half the index of its text) and shown as 64 hexadecimal digits."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else bytes(value).hex()

    def to_python(self, value: Any) -> str | None:
        return value if value is None or isinstance(value, str) else bytes(value).hex()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        raw = bytes.fromhex(value) if isinstance(value, str) else value
        return super().get_db_prep_value(raw, connection, prepared)
