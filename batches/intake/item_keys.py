"""By which key each row of a file of corrections finds its item, also where a spreadsheet rewrote the key.

A key that no item has, 123 for 00123 or 1E+05 for 100000, is that of the one failed item whose key a spreadsheet
would write so. Where several items are that, or none, the row keeps the key it has, and is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from batches.exceptions import InputRefused
from batches.intake import cells
from batches.intake.readers import Reader, Row
from batches.intake.spreadsheet_forms import is_rewritten, meanings, roundings
from batches.models import ITEM_KEY_LENGTH, Batch, Item
from batches.paging import pages_of
from batches.wording import quantity

ITEM_KEY = "_item_key"
ROWS_PER_PAGE = 500
MOST_ROWS = 100_000
KEYS_PER_MEANING = 50
"""Of keys that mean the same, so many are looked at: more than one is ambiguous."""


@dataclass(frozen=True, slots=True)
class ItemKeys:
    """Which keys a file has. `rows`: key of an item -> its rows; `rewritten`: what stands in the file -> that key;
    `alike`: what stands in the file -> keys of several items that it could mean."""

    table: bool
    rows: Mapping[str, Sequence[int]]
    rewritten: Mapping[str, str] = field(default_factory=dict)
    alike: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, row: Row) -> str:
        """The key of the row's item, or what stands there in its place; empty: none."""
        key = key_of(row, self.table)
        return self.rewritten.get(key, key)


def item_keys_of(batch: Batch, reader: Reader, *, table: bool) -> ItemKeys:
    """The whole file is read once for it, so that it can be read at all. `InputRefused`: no row is about the batch."""
    rows = rows_by_key(reader, table)
    if reader.batch_id not in ("", batch.pk):
        raise InputRefused("It is the download of another batch.", remedy="Upload it there.")
    unknown = set(rows) - existing(batch, rows)
    keys = resolved(batch, rows, unknown) if table and unknown else ItemKeys(table, rows)
    if len(unknown) == len(rows) and not keys.rewritten and not keys.alike:
        raise InputRefused(
            f"None of its {quantity(len(rows), 'key')} is the key of an item of batch {batch.pk}.",
            remedy="Is it the file of another batch? Download the failing rows of this one.",
            column=ITEM_KEY,
        )
    return keys


def resolved(batch: Batch, rows: Mapping[str, list[int]], unknown: set[str]) -> ItemKeys:
    """With the keys of failed items in place of what a spreadsheet made of them."""
    by_meaning: dict[object, list[str]] = defaultdict(list)
    failed_items = Item.objects.filter(batch=batch, status__in=Item.FAILED_STATUSES)
    for key in failed_items.order_by().values_list("key", flat=True).iterator(ROWS_PER_PAGE):
        for meaning in meanings(key) | roundings(key):
            if len(by_meaning[meaning]) < KEYS_PER_MEANING:
                by_meaning[meaning].append(key)
    likely = {text: candidates(text, by_meaning) for text in unknown}
    rewritten = {text: keys[0] for text, keys in likely.items() if len(keys) == 1}
    of_items: dict[str, list[int]] = defaultdict(list)
    for text, numbers in rows.items():
        of_items[rewritten.get(text, text)] += numbers
    alike = {text: keys for text, keys in likely.items() if len(keys) > 1}
    return ItemKeys(True, {key: sorted(numbers) for key, numbers in of_items.items()}, rewritten, alike)


def candidates(text: str, by_meaning: Mapping[object, list[str]]) -> list[str]:
    """The keys that a spreadsheet may have rewritten to the text."""
    for tokens in (meanings(text), roundings(text)):
        keys = dict.fromkeys(key for token in tokens for key in by_meaning.get(token, ()))
        if rewritten := [key for key in keys if is_rewritten(text, key)]:
            return rewritten
    return []


def existing(batch: Batch, keys: Iterable[str]) -> set[str]:
    return {
        key
        for page in pages_of(keys, ROWS_PER_PAGE)
        for key in Item.objects.filter(batch=batch, key__in=page).values_list("key", flat=True)
    }


def rows_by_key(reader: Reader, table: bool) -> dict[str, list[int]]:
    """In which rows each key stands."""
    rows: dict[str, list[int]] = {}
    count = 0
    for row in reader:
        count += 1
        if count > MOST_ROWS:
            raise InputRefused(f"The file has more than {MOST_ROWS:,} rows.", remedy="Split it.")
        if key := key_of(row, table):
            rows.setdefault(key, []).append(row.row)
    if not count:
        raise InputRefused("The file has no rows.", remedy="Below the header there must be one at least.")
    if not rows:
        refuse_keyless()
    return rows


def key_of(row: Row, table: bool) -> str:
    text = cells.as_text(row.payload.get(ITEM_KEY))
    key = cells.unguarded(text) if table else text
    return key if len(key) <= ITEM_KEY_LENGTH else ""


def refuse_keyless() -> None:
    raise InputRefused(
        "the column by which a row finds its item is missing or empty.",
        remedy="Download the failing rows again, and leave this column as it is.",
        row=1,
        column=ITEM_KEY,
    )
