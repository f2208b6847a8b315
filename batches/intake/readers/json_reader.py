"""JSON arrays and NDJSON, streamed object by object."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

import ijson

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_DEPTH, MAX_PAYLOAD, FileReader, Row, checked_object, first_repeated
from batches.intake.readers.encodings import SAMPLE, Encoding, encoding_of
from batches.intake.readers.exact_numbers import exact_float
from batches.intake.readers.json_array import ArrayText
from batches.intake.readers.options import FileOptions
from batches.intake.readers.text_streams import AsUtf8

BLOCK = 4096  # bytes
BEGINS, ENDS = frozenset(("start_map", "start_array")), frozenset(("end_map", "end_array"))
DEEPEST_DOCUMENT = MAX_DEPTH + 5  # a download's rows stand within it
LONGEST_VALUE = MAX_PAYLOAD * 6  # bytes, where each character is escaped
UTF8 = frozenset(("utf-8", "utf-8-sig", "utf8"))
MEMBERS_SOUGHT = 100_000  # events of a document in which its arrays are looked for


class TooDeep(ValueError):
    """Nesting that no payload needs."""


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError(f"the name {first_repeated(name for name, _ in pairs)!r} occurs twice in one object")
    return value


def refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


DECODER = json.JSONDecoder(
    object_pairs_hook=without_duplicates, parse_constant=refuse_constant, parse_float=exact_float
)


class TextReader(FileReader):
    """JSON in whatever encoding it is in: UTF-8, as it should be, or what its mark or its caller says."""

    def __init__(self, file: BinaryIO, filename: str, options: FileOptions, note: str = "") -> None:
        super().__init__(file, filename, options)
        file.seek(0)
        sample = file.read(SAMPLE)
        self.encoding, self.note = json_encoding(sample, options.encoding), note

    def details(self) -> dict[str, Any]:
        return {"encoding": self.encoding.name, "notes": [note for note in (self.encoding.note, self.note) if note]}

    def stream(self) -> BinaryIO:
        """The text from its beginning, as UTF-8 without a mark."""
        self.file.seek(0)
        if self.encoding.name not in UTF8:
            return AsUtf8(self.file, self.encoding.name)  # type: ignore[return-value]
        if self.file.read(3) != codecs.BOM_UTF8:
            self.file.seek(0)
        return self.file


def json_encoding(sample: bytes, chosen: str) -> Encoding:
    """UTF-8 unless a mark, NUL characters or the caller say otherwise: of JSON nothing else is guessed."""
    if chosen or sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\x00" in sample[:4]:
        return encoding_of(sample, chosen)
    return Encoding("utf-8")


class NdjsonReader(TextReader):
    """One JSON object a line; empty lines are skipped."""

    format = "ndjson"

    def __iter__(self) -> Iterator[Row]:
        file = self.stream()
        line = row = 0
        while raw := next_line(file, row, line):
            line += 1
            if len(raw) >= MAX_PAYLOAD * 6:
                raise InputRefused("the line is too long.", remedy="Write one object a line.", row=row + 1, line=line)
            text = decoded(raw, row + 1, line).strip("\ufeff \t\r\n" if line == 1 else " \t\r\n")
            if text:
                row += 1
                yield Row(row, line, checked_object(parsed(text, row, line), row=row, line=line))


def next_line(file: BinaryIO, row: int, line: int) -> bytes:
    try:
        return file.readline(MAX_PAYLOAD * 6)
    except UnicodeError:
        raise InputRefused(
            "the line is not in the encoding of the file.", remedy="Name that it is in.", row=row + 1, line=line + 1
        ) from None


def decoded(raw: bytes, row: int, line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputRefused(
            f"the line is not UTF-8 (byte 0x{raw[error.start]:02x}).",
            remedy="Save the file as UTF-8.",
            row=row,
            line=line,
        ) from None


def parsed(text: str, row: int, line: int) -> Any:
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise InputRefused(
            f"the item is nested deeper than {MAX_DEPTH} levels.", remedy="Flatten it.", row=row, line=line
        ) from None
    except ValueError as error:
        raise InputRefused(
            f"the line is not JSON: {error}.", remedy="Write one JSON object a line.", row=row, line=line
        ) from None


class JsonReader(TextReader):
    """One array of objects."""

    format = "json"

    def __iter__(self) -> Iterator[Row]:
        row = 0
        try:
            for value in self.members():
                row += 1
                yield Row(row, None, checked_object(value, row=row))
        except (ijson.JSONError, ValueError, RecursionError) as error:
            if isinstance(error, InputRefused):
                raise
            raise InputRefused(
                f"the file is not a JSON array: {reason_of(error)}.",
                remedy="It must be one array of objects.",
                row=row + 1,
            ) from None

    def members(self) -> Iterator[Any]:
        array = ArrayText(self.stream(), DECODER, LONGEST_VALUE)
        if array.sign() == "{":
            raise ValueError(where_the_rows_are(self.events()))
        yield from array.members()

    def events(self) -> Iterator[tuple[str, str, Any]]:
        """Parsed in small blocks: each event carries its path, whose length is the depth of what a block can hold."""
        depth, stream = 0, Stream(self.stream())
        for prefix, event, value in ijson.parse(stream, buf_size=BLOCK, use_float=False):
            stream.unused = 0
            depth += (event in BEGINS) - (event in ENDS)
            if depth > DEEPEST_DOCUMENT:
                raise TooDeep(f"it is nested deeper than {MAX_DEPTH} levels")
            yield prefix, event, value


class DownloadReader(JsonReader):
    """The rows of one of this portal's own downloads: a document that says whose rows they are, and ends whole."""

    def members(self) -> Iterator[Any]:
        return objects(self.row_events())

    def row_events(self) -> Iterator[tuple[str, str, Any]]:
        in_rows = has_rows = complete = False
        for prefix, event, value in self.events():
            if prefix == "rows" and event in ("start_array", "end_array"):
                in_rows, has_rows = event == "start_array", True
                yield prefix, event, value
            elif in_rows:
                yield prefix, event, value
            elif prefix == "batch.id":
                self.batch_id = str(value)
            elif prefix == "complete":
                complete = value is True
        if not has_rows:
            raise ValueError('it is an object without "rows"')
        if not complete:
            raise InputRefused('The document does not end with "complete": true.', remedy="Download it again, whole.")


class Stream:
    """A file as the parser reads it, up to a value that is too long: it would be put together block by block."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.unused = file, 0

    def read(self, size: int = -1) -> bytes:
        self.unused += size
        if self.unused > LONGEST_VALUE:
            raise ValueError(f"a name or value takes more than {LONGEST_VALUE:,} bytes")
        return self.file.read(size)


def reason_of(error: Exception) -> str:
    """What is wrong, in words: the parser's own are the bytes of a drawing."""
    if error.args and isinstance(error.args[0], bytes):
        return error.args[0].decode("utf-8", "replace").splitlines()[0]
    if isinstance(error, RecursionError):
        return f"an item is nested deeper than {MAX_DEPTH} levels"
    if isinstance(error, UnicodeDecodeError):
        return f"its text is not {error.encoding}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def objects(events: Iterator[tuple[str, str, Any]]) -> Iterator[Any]:
    """The members of the outermost array, built with an explicit stack, so that no nesting can exhaust ours."""
    first = next(events, ("", "", None))[1]
    if first != "start_array":
        raise ValueError("it does not begin with [")
    stack: list[tuple[Any, list[str]]] = []
    for _, event, value in events:
        if event in ("start_map", "start_array"):
            if len(stack) > MAX_DEPTH:
                raise TooDeep(f"an item is nested deeper than {MAX_DEPTH} levels")
            stack.append(({} if event == "start_map" else [], []))
        elif event == "map_key":
            if value in stack[-1][0]:
                raise ValueError(f"the name {value!r} occurs twice in one object")
            stack[-1][1].append(value)
        elif event in ("end_map", "end_array"):
            if not stack:
                continue  # the outermost array is closed: whatever still follows is an error
            finished, _ = stack.pop()
            if stack:
                put(stack[-1], finished)
            else:
                yield finished
        elif stack:
            put(stack[-1], plain(value))
        else:
            yield plain(value)


def where_the_rows_are(events: Iterator[tuple[str, str, Any]]) -> str:
    """Of a document that is an object: the names under which it has arrays."""
    look = islice(events, MEMBERS_SOUGHT)
    names = dict.fromkeys(prefix for prefix, event, _ in look if event == "start_array" and "." not in prefix)
    if not names:
        return "it is an object, and does not begin with ["
    listed = " or ".join(map(repr, names))
    return f"it is an object, whose rows may stand under {listed}; save that array alone"


def put(holder: tuple[Any, list[str]], value: Any) -> None:
    container, names = holder
    if isinstance(container, dict):
        container[names.pop()] = value
    else:
        container.append(value)


def plain(value: Any) -> Any:
    """ijson's Decimal as the int or float that JSON means."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"{value} is not JSON")
        return exact_float(str(value))
    return value
