"""A file of corrected rows beside the items it means: what each row changes, or why it cannot be taken.

A row finds its item by `_item_key`. The other `OUR_COLUMNS` are ignored, and so are columns that begin with `_` and
that no item has; any other is the user's. A cell that still says what was downloaded keeps the stored value, whatever
its type, and whatever a mask or a cut hides of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batches.exceptions import InputRefused
from batches.intake import cells
from batches.intake.item_keys import ITEM_KEY, ROWS_PER_PAGE, ItemKeys, item_keys_of, refuse_keyless
from batches.intake.readers import Reader, Row
from batches.intake.readers.base import checked_object
from batches.intake.spreadsheet_forms import is_rewritten
from batches.intake.unmasking import is_over_mask, unmasked
from batches.models import Batch, Correction, Item
from batches.paging import pages_of
from batches.redaction import redact

OUR_COLUMNS = ("_error_code", "_error_message", ITEM_KEY, "_attempts")
"""What a download adds to the columns of the batch."""
SAMPLED_ITEMS = 500
HIDDEN = "written anew; what it hides is not compared"
Verdict = Correction.Verdict


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a batch's items, and which kinds of values they have."""

    columns: tuple[str, ...]
    """The columns of the table it came from; empty: JSON, whose items may differ."""
    names: frozenset[str]
    """Names of all fields that any item is known to have."""
    good: Mapping[str, str]
    """Field -> kind of its values in items that succeeded, where they have one kind."""
    usual: Mapping[str, str]
    """Field -> kind of its values in all items, where they have one kind."""
    texts: bool
    """Whether all values are text, as in a CSV file."""
    blank: str | None
    """The value of a text cell that was emptied."""

    def is_ours(self, name: str, payload: Mapping[str, Any] | None = None) -> bool:
        """Whether a column of a file is none of the batch's."""
        if name in OUR_COLUMNS:
            return True
        return name.startswith("_") and name not in self.names and name not in (payload or ())

    def kind(self, name: str, old: Any) -> str | None:
        if self.texts:
            return cells.TEXT
        return self.good.get(name) or cells.kind_of(old) or self.usual.get(name)


def shape_of(batch: Batch) -> Shape:
    """The shape of a batch, from its source's header and from items taken evenly over the whole batch."""
    every = max(1, batch.total_items // SAMPLED_ITEMS)
    rows = Item.objects.filter(batch=batch, position__in=range(0, every * SAMPLED_ITEMS, every))
    good, usual = defaultdict(set), defaultdict(set)
    for status, payload in rows.values_list("status", "payload"):
        for name, value in payload.items():
            usual[name].add(cells.kind_of(value))
            if status == Item.Status.SUCCEEDED:
                good[name].add(cells.kind_of(value))
    kind, columns = batch.source.get("format"), tuple(batch.source.get("columns") or ())
    return Shape(
        columns=columns,
        names=frozenset(columns) | frozenset(batch.source.get("fields") or ()) | usual.keys(),
        good=only_kinds(good),
        usual=only_kinds(usual),
        texts=kind in ("csv", "tsv"),
        blank=None if kind == "xlsx" else "",
    )


def only_kinds(kinds_of: Mapping[str, set[str | None]]) -> dict[str, str]:
    distinct = {name: kinds - {None} for name, kinds in kinds_of.items()}
    return {name: str(next(iter(kinds))) for name, kinds in distinct.items() if len(kinds) == 1}


# -- the file ----------------------------------------------------------------------------------------------------------


def corrections(
    batch: Batch, reader: Reader, *, as_written: bool = False, rewritten: list[str] | None = None
) -> Iterator[Correction]:
    """A verdict for every row, in their order, not stored yet. `InputRefused`: the file cannot be taken at all.

    Cells that say the same in the form of a spreadsheet keep what is stored, unless they are taken `as_written`;
    `rewritten` gets the place of each.
    """
    table = reader.columns
    shape = shape_of(batch)
    if table is not None:
        refuse_header(table, shape)
    places = None if as_written else [] if rewritten is None else rewritten
    file = File(shape, item_keys_of(batch, reader, table=table is not None), places)
    for page in pages_of(reader, ROWS_PER_PAGE):
        keys = {key for row in page if (key := file.keys.of(row))}
        items = {item.key: item for item in Item.objects.filter(batch=batch, key__in=keys)}
        yield from (verdict(row, items.get(file.keys.of(row)), file) for row in page)


@dataclass(frozen=True, slots=True)
class File:
    """A file of corrected rows: which shape they must have, and where each key stands."""

    shape: Shape
    keys: ItemKeys
    rewritten: list[str] | None = None
    """Places of cells that a spreadsheet wrote in another form; None: such cells are taken as they are written."""


def refuse_header(header: Sequence[str], shape: Shape) -> None:
    """A table must have the columns that its batch came with; a renamed one is missing and too much."""
    names = [cells.unguarded(name) for name in header]
    if ITEM_KEY not in names:
        refuse_keyless()
    missing = [name for name in shape.columns if name not in names and not shape.is_ours(name)]
    added = [name for name in names if shape.columns and name not in shape.names and not shape.is_ours(name)]
    if missing:
        instead = f", and {added[0]!r} is not one of its columns" if added else ""
        raise InputRefused(
            f"the batch's column {missing[0]!r} is missing{instead}.",
            remedy="Put it back under its own name: a row is corrected whole.",
            row=1,
            column=missing[0],
        )
    if added:
        raise InputRefused(
            "the batch has no such column.", remedy="Take it out, or name it as it was.", row=1, column=added[0]
        )


# -- a row -------------------------------------------------------------------------------------------------------------


def verdict(row: Row, item: Item | None, file: File) -> Correction:
    correction = Correction(row=row.row, key=file.keys.of(row), item=item)
    try:
        failed_item = failed_item_of(row, item, correction.key, file)
        corrected = corrected_cells if file.keys.table else corrected_object
        after, correction.hidden = corrected(row, failed_item, file)
        checked_object(after, row=row.row, line=row.line)
    except InputRefused as refused:
        correction.verdict = Verdict.REFUSED
        correction.column, correction.why = (refused.column or "")[:200], f"{refused.problem} {refused.remedy}"
        return correction
    # Whether a value written over a mask is the one that it hides is told to nobody.
    is_same = not correction.hidden and same(failed_item.payload, after)
    correction.verdict = Verdict.UNCHANGED if is_same else Verdict.CHANGED
    if correction.verdict == Verdict.CHANGED:
        correction.before, correction.after = failed_item.payload, after
    return correction


def same(value: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true are three values."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(same(inner, other[name]) for name, inner in value.items())
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(same, value, other))
    return type(value) is type(other) and bool(value == other)


def failed_item_of(row: Row, item: Item | None, key: str, file: File) -> Item:
    """The failed item that the row, and no other row, is about."""
    if not key:
        raise refusal("it has no key of an item.", "Take the row out, or download it again.")
    if len(file.keys.rows[key]) > 1:
        rows = " and ".join(f"{number:,}" for number in file.keys.rows[key][:3])
        raise refusal(f"rows {rows} have the key {key!r}.", "Leave only one of them.")
    if item is None and (alike := file.keys.alike.get(key)):
        listed = ", ".join(map(repr, alike[:3]))
        raise refusal(f"{key!r} may be any of the items {listed}.", "Put its key back as it was downloaded.")
    if item is None:
        remedy = "Take the row out, or put its key back as it was: spreadsheets change such as 007."
        raise refusal(f"the batch has no item {key!r}.", remedy)
    if item.status not in Item.FAILED_STATUSES:
        status = Item.Status(item.status).label.lower()
        raise refusal(
            f"item {key!r} is {status} now, not failed.", "Take the row out: only failed items are corrected."
        )
    return item


def refusal(problem: str, remedy: str, column: str = ITEM_KEY) -> InputRefused:
    return InputRefused(problem, remedy=remedy, column=column)


def corrected_cells(row: Row, item: Item, file: File) -> tuple[dict[str, Any], list[str]]:
    """The item's payload with what the cells of a table say otherwise, and the fields in which they say something else
    than a mask."""
    shape, hidden = file.shape, []
    after, shown = dict(item.payload), redact(item.payload)
    given = {cells.unguarded(name): cell for name, cell in row.payload.items()}
    for name in item.payload:
        if name not in given and not shape.is_ours(name, item.payload):
            raise refusal("the item has such a field, and the file has no column for it.", "Put it back.", name)
    for name, cell in given.items():
        if shape.is_ours(name, item.payload) or cells.says(cell, shown.get(name)):
            continue
        if file.rewritten is not None and is_rewritten(cells.as_text(cell), cells.as_text(shown.get(name))):
            file.rewritten.append(f"{name} of row {row.row:,}")
            continue
        if name not in item.payload and name not in shape.names:
            raise refusal("no item has such a field.", "Take it out; to add a field, send the rows as JSON.", name)
        new = value_of(cell, name, item.payload.get(name), shape)
        after[name] = unmasked(new, after.get(name), shown.get(name), name)
        hidden += [name] if is_over_mask(new, shown.get(name)) else []
    return after, hidden


def value_of(cell: Any, name: str, old: Any, shape: Shape) -> Any:
    """The value of a changed cell, in the kind its column has in items that succeeded, else in the kind it had."""
    text, kind = cells.unguarded(cells.as_text(cell)), shape.kind(name, old)
    if text == "" and kind == cells.TEXT:
        return shape.blank
    if cells.NESTED not in (kind, cells.kind_of(old)) or not text.strip():
        return cells.read(cell, kind)
    value = cells.parsed(text)
    if cells.kind_of(value) == cells.NESTED:
        return value
    if kind != cells.NESTED:
        return cells.read(cell, kind)
    raise refusal("the cell holds no JSON any more.", "Write it as JSON, or correct the row in a JSON file.", name)


def corrected_object(row: Row, item: Item, file: File) -> tuple[dict[str, Any], list[str]]:
    """The object of a JSON file in place of the item's payload, and its fields that say something else than a mask;
    our own columns are not part of it."""
    shape, hidden = file.shape, []
    given = {name: value for name, value in row.payload.items() if not shape.is_ours(name, item.payload)}
    for name in shape.columns:
        if name not in given and not shape.is_ours(name):
            raise refusal("the field is missing.", "Put it back: a row is corrected whole.", name)
    for name in given:
        if shape.columns and name not in shape.names:
            raise refusal("the batch has no such column.", "Take it out, or name it as it was.", name)
    kept = {name: value for name, value in item.payload.items() if name in given or name in OUR_COLUMNS}
    shown = redact(item.payload)
    for name, value in given.items():
        plain = shape.texts and not isinstance(value, (str, dict, list)) and value is not None
        new = cells.as_text(value) if plain else value
        kept[name] = unmasked(new, item.payload.get(name), shown.get(name), name)
        hidden += [name] if is_over_mask(new, shown.get(name)) else []
    return kept, hidden


# -- the difference ----------------------------------------------------------------------------------------------------


def changes_of(correction: Correction) -> list[dict[str, Any]]:
    """Field by field what is different, secrets masked: field, old, new (absent: it was or is not there), note.

    What was written over a mask is among them whether it differs or not.
    """
    before, after, hidden = correction.before or {}, correction.after or {}, correction.hidden
    hidden_before, hidden_after = redact(before), redact(after)
    changes = []
    for name in (*before, *(name for name in after if name not in before)):
        if name not in hidden and name in before and name in after and same(before[name], after[name]):
            continue
        change: dict[str, Any] = {"field": name}
        if name in before:
            change["old"] = hidden_before[name]
        if name in after:
            change["new"] = hidden_after[name]
        note = HIDDEN if name in hidden else note_on(before.get(name), after.get(name))
        changes.append(change | {"note": note})
    return changes


def note_on(old: Any, new: Any) -> str:
    """A note on a change that a person should look at twice; empty: nothing strange."""
    if cells.same_number(old, new):
        return "the same number, written differently: did a spreadsheet change it?"
    was, becomes = cells.kind_of(old), cells.kind_of(new)
    return f"was {was}, becomes {becomes}" if was and becomes and was != becomes else ""
