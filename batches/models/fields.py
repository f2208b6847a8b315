"""Fields and validators of the engine's own."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from batches.redaction import redact_shapes, redact_values


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


class Redacted(models.Field):
    """A text that people, files or other systems wrote: it enters the table without secrets of this process, and
    without what looks like one. The row in memory has the text that is stored."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return redact_shapes(redact_values(value))[: self.max_length] if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = self.get_prep_value(value)
            setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        """As the plain field: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, f"django.db.models.{type(self).__mro__[2].__name__}", args, kwargs


class RedactedTextField(Redacted, models.TextField):
    pass


class RedactedCharField(Redacted, models.CharField):
    pass
