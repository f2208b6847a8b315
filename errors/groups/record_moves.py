"""Records move to the group in which they belong, a page a transaction, and their counters with them.

Where a failure belongs, the overrides of its own group say (`errors.grouping.overrides`). They are changed first, so
that nothing more comes in under the old ones; then every record that counts elsewhere follows. While a page moves
nothing is recorded for the processor: pages are short, and lanes have their turn between them. At any moment the
counters equal the records, so whoever comes after a worker that was killed goes on with what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import F, Max, Min, Value
from django.db.models.functions import Coalesce, Greatest, Least

from batches.steps import Steps
from errors.grouping import locks, overrides, record_rows
from errors.grouping.fingerprints import Identity
from errors.grouping.history import record_change
from errors.models import AdviceRevision, BatchGroup, ErrorGroup, ErrorRecord, Findings

FEWEST, MOST = 200, 1_000
"""Records a page."""


class Interrupted(Exception):
    """Somebody else goes on with it, or nobody for the moment."""


class Row(NamedTuple):
    """What a move needs to know of a record; `frame` is the place in the code, empty without one."""

    id: int
    origin: int | None
    item: int | None
    item_key: str
    finished_at: datetime
    frame: str


class Place(NamedTuple):
    """A group in which records count, and the group of their own fingerprint, if that is another."""

    group: int
    origin: int | None


def always() -> bool:
    """A `goes_on` that never ends."""
    return True


def settle(group_id: int, origin_id: int | None = None, goes_on: Callable[[], bool] = always) -> None:
    """Move the records that count in a group, or those of one `origin` among them, to where they belong.

    `goes_on` is asked in each page's transaction; where it says no, `Interrupted` is raised.
    """
    steps = Steps(FEWEST, MOST)
    batches = BatchGroup.objects.filter(group=group_id).order_by("batch").values_list("batch", flat=True)
    for batch_id in list(batches):
        after: int | None = 0
        while after is not None:
            after = move_page(group_id, batch_id, origin_id, after, steps, goes_on)
            steps.rest_in_time()


def settle_merged(into_id: int, goes_on: Callable[[], bool] = always) -> None:
    """Move the records of every group that was merged into this one, or with it into another."""
    into_id = ErrorGroup.objects.values_list("merged_into", flat=True).get(pk=into_id) or into_id
    rows = BatchGroup.objects.filter(group__merged_into=into_id).order_by("group")
    for group_id in list(rows.values_list("group", flat=True).distinct()):
        settle(group_id, goes_on=goes_on)


def move_page(
    group_id: int, batch_id: str, origin_id: int | None, after: int, steps: Steps, goes_on: Callable[[], bool]
) -> int | None:
    """Move the next records of a batch, by their ids; answers the last one's, None with the last page."""
    with steps.step() as size:
        if not goes_on():
            raise Interrupted
        group = ErrorGroup.objects.get(pk=group_id)
        locks.regrouping(group.processor)
        rows = page_of(group_id, batch_id, origin_id, after, size)
        moves = moves_of(group_id, rows)
        if moves:
            move(group_id, batch_id, moves)
        if len(rows) == size:
            return rows[-1].id
        finish(group_id, batch_id)
        return None


def page_of(group_id: int, batch_id: str, origin_id: int | None, after: int, size: int) -> list[Row]:
    records = ErrorRecord.objects.filter(group=group_id, batch=batch_id, pk__gt=after)
    if origin_id is not None:
        records = records.filter(origin=origin_id)
    columns = ("pk", "origin", "item", "item_key", "finished_at", Coalesce("traceback__frame", Value("")))
    return [Row(*row) for row in records.order_by("pk").values_list(*columns)[:size]]


# -- where records belong ----------------------------------------------------------------------------------------------


def moves_of(group_id: int, rows: Sequence[Row]) -> dict[Place, list[Row]]:
    """Those of the rows that belong elsewhere, by the place."""
    own = ErrorGroup.objects.in_bulk({row.origin or group_id for row in rows})
    places: dict[tuple[int, str], Place] = {}
    moves = defaultdict(list)
    for row in rows:
        whole = own[row.origin or group_id]
        key = (whole.pk, row.frame if whole.by_place else "")
        if key not in places:
            places[key] = place_of(part_for(whole, row) if whole.by_place else whole)
        if places[key] != (group_id, row.origin):
            moves[places[key]].append(row)
    return moves


def place_of(own: ErrorGroup) -> Place:
    return Place(own.pk, None) if own.merged_into_id is None else Place(own.merged_into_id, own.pk)


def part_for(whole: ErrorGroup, row: Row) -> ErrorGroup:
    """The part of a split group for the record's place in the code; made if need be."""
    return part_of(whole, row.frame) or make_part(whole, row.frame, row.finished_at, row.finished_at)


def identity_of_part(whole: ErrorGroup, frame: str) -> Identity:
    return overrides.part_of(whole.processor, Identity(whole.fingerprint, whole.title, whole.key), frame)


def part_of(whole: ErrorGroup, frame: str) -> ErrorGroup | None:
    fingerprint = identity_of_part(whole, frame).fingerprint
    return ErrorGroup.objects.filter(processor=whole.processor, fingerprint=fingerprint).first()


def make_part(
    whole: ErrorGroup, frame: str, first: datetime, last: datetime, *, actor: str = "", reason: str = ""
) -> ErrorGroup:
    """A group that inherits what people have decided about the whole."""
    part = identity_of_part(whole, frame)
    inherited = ("error_type", "code", "category", "state", "assignee")
    group = ErrorGroup.objects.create(
        processor=whole.processor,
        fingerprint=part.fingerprint,
        title=part.title,
        key=part.key,
        first_seen=first,
        last_seen=last,
        **{name: getattr(whole, name) for name in inherited},
    )
    why = reason or f"From {whole.title!r}."
    record_change(group.pk, "split", "", group.state, actor=actor, reason=why)
    return group


# -- the move ----------------------------------------------------------------------------------------------------------


def move(group_id: int, batch_id: str, moves: Mapping[Place, Sequence[Row]]) -> None:
    """Move records out of the group, and what the batch's counters say of them."""
    into: dict[int, list[Row]] = defaultdict(list)
    for place, rows in moves.items():
        into[place.group] += rows
    moved = [row for rows in into.values() for row in rows]
    held = items_held(batch_id, moved, {group_id, *into})
    for place, rows in moves.items():
        records = ErrorRecord.objects.filter(pk__in=[row.id for row in rows])
        records.update(group=place.group, origin=place.origin)
    more = {target: len(keys_of(rows) - held[target]) for target, rows in into.items()}
    less = len(keys_of(moved) - held[group_id])
    add(batch_id, into, more)
    counters = BatchGroup.objects.filter(batch=batch_id, group=group_id)
    counters.update(errors=F("errors") - len(moved), items=F("items") - less)
    counters.filter(errors=0).delete()
    move_limits({**more, group_id: -less})


def keys_of(rows: Iterable[Row]) -> set[str]:
    return {row.item_key for row in rows}


def items_held(batch_id: str, moved: Sequence[Row], groups: Collection[int]) -> Mapping[int, set[str]]:
    """group -> the keys of moved items of which other records count there. Records are found by their items: a group
    may have many others."""
    records = ErrorRecord.objects.order_by()
    ids = {row.id for row in moved}
    items = {row.item for row in moved if row.item is not None}
    keys = {row.item_key for row in moved if row.item is None}
    held: dict[int, set[str]] = defaultdict(set)
    for those in (
        records.filter(item__in=items) if items else None,
        records.filter(group__in=groups, batch=batch_id, item__isnull=True, item_key__in=keys) if keys else None,
    ):
        for pk, group, key in () if those is None else those.values_list("pk", "group", "item_key"):
            if group in groups and pk not in ids:
                held[group].add(key)
    return held


def add(batch_id: str, into: Mapping[int, Sequence[Row]], items: Mapping[int, int]) -> None:
    """Count the rows in the groups they have moved into, with so many items that are new there."""
    counters = []
    for group, rows in sorted(into.items()):
        first, last = min(row.finished_at for row in rows), max(row.finished_at for row in rows)
        times = (record_rows.db_time(first), record_rows.db_time(last))
        counters.append((batch_id, group, len(rows), items[group], *times))
        seen = {"first_seen": Least("first_seen", Value(first)), "last_seen": Greatest("last_seen", Value(last))}
        ErrorGroup.objects.filter(pk=group).update(**seen)
    record_rows.execute([record_rows.added_counters(counters)])


def move_limits(more: Mapping[int, int]) -> None:
    """Items that moved are nothing new: they must not end an "ignore until n items"."""
    for group in ErrorGroup.objects.filter(pk__in=more, until__has_key="from").order_by("pk"):
        until = group.until | {"from": group.until["from"] + more[group.pk]}
        ErrorGroup.objects.filter(pk=group.pk).update(until=until)


def finish(group_id: int, batch_id: str) -> None:
    """The batch's records have moved: when the group was seen, and what rests on the counters, is out of date."""
    left = BatchGroup.objects.filter(batch=batch_id, group=group_id)
    times = ErrorRecord.objects.filter(batch=batch_id, group=group_id).values_list("finished_at", flat=True)
    if left.exists() and (first := times.order_by("finished_at").first()) is not None:
        left.update(first_seen=first, last_seen=times.order_by("-finished_at").first())
    seen = BatchGroup.objects.filter(group=group_id).aggregate(first_seen=Min("first_seen"), last_seen=Max("last_seen"))
    if seen["first_seen"] is not None:
        ErrorGroup.objects.filter(pk=group_id).update(**seen)
    Findings.objects.filter(batch=batch_id).update(errors=0)
    AdviceRevision.objects.filter(batch=batch_id).update(revision="")
