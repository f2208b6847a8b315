"""`--param NAME=VALUE` and `--param NAME=@FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batches import processors
from batches.exceptions import InvalidInput
from batches.processors.param_texts import values_of
from batches.processors.parameters import LARGEST_FILE, file_of, takes_files


def params_of(processor_name: str, pairs: list[str]) -> dict[str, Any]:
    """The values of all pairs by name; `@FILE` is a file where the parameter takes one, else its text."""
    processor = processors.get(processor_name)
    files = {name for name, field in processor.param_fields().items() if takes_files(field)}
    given: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--param {pair!r}: write it as name=value, or name=@file.")
        given.setdefault(name, []).append(value_of(name, value, is_file=name in files))
    return values_of(processor, given)


def value_of(name: str, value: str, *, is_file: bool) -> Any:
    if not value.startswith("@"):
        return value
    path = Path(value[1:])
    try:
        if not is_file:
            return path.read_text(encoding="utf-8-sig")
        with path.open("rb") as file:
            return file_of(path.name, file.read(LARGEST_FILE + 1))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"--param {name}: {value[1:]} cannot be read: {error}.") from None
