"""Quotas: what lanes of all batches share of something scarce, a provider's limit for one.

A processor names its quota; else the quota of its own name counts. `PORTAL_QUOTAS` says how large each is, and without
an entry there is none. A lane asks before it begins items, in a short transaction of its own that holds the quota's
row: so one after the other is answered, by what the lanes hold whose leases are good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from batches import clock, durations
from batches.clock import now_sql
from batches.conf import settings
from batches.lanes import leases
from batches.lanes.leases import Lease
from batches.lanes.quota_grants import Grant, Limits, Request, Share, grant
from batches.models import Batch, Quota, QuotaUse
from batches.processors import MAX_QUOTA_NAME, all_processors
from batches.wording import quantity

LONGEST_SLOW_DOWN = 600.0  # seconds
SHORTEST_LOWERED = 10.0  # seconds
RENEWED_WITHIN = timedelta(seconds=3)
"""A lane that waits asks several times a second; one that has not is not waited for."""
SHOWN_AFTER = timedelta(seconds=2)
"""Lanes of a quota that is used to the full wait again and again, for a moment each."""


def limits_of(name: str) -> Limits | None:
    """The size of the quota of that name; None when nothing limits it."""
    entry = settings.PORTAL_QUOTAS.get(name)
    return None if entry is None else Limits(entry.get("concurrent"), entry.get("per_second"))


def quota_of(processor: str) -> str:
    """The quota of the processor of that name: its own if it names none, or is not known to this process."""
    return {each.name: each.quota for each in all_processors()}.get(processor, processor)


def processors_of(quota: str) -> list[str]:
    """Processors that use it, as far as this process knows."""
    return [each.name for each in all_processors() if each.quota == quota]


def unusable_entries(quotas: Any) -> Iterable[tuple[str, str]]:
    """(name, what is wrong with it) of entries that are no quota."""
    if not isinstance(quotas, Mapping):
        yield "", 'it must be a dict, {"provider": {"concurrent": 4, "per_second": 10}}'
        return
    for name, entry in quotas.items():
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_QUOTA_NAME:
            yield str(name), f"a quota's name has 1 to {MAX_QUOTA_NAME} characters"
        elif not isinstance(entry, Mapping) or not entry or not entry.keys() <= {"concurrent", "per_second"}:
            yield name, 'it must have "concurrent", "per_second" or both, and nothing else'
        elif "concurrent" in entry and not is_from_one(entry["concurrent"]):
            yield name, '"concurrent" must be a whole number from 1 to 10,000'
        elif "per_second" in entry and not is_pace(entry["per_second"]):
            yield name, '"per_second" must be a number above 0 and at most 100,000'


def is_from_one(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000


def is_pace(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 100_000


# -- asking ------------------------------------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def ask(lease: Lease, name: str, limits: Limits, request: Request, unspent: int = 0) -> Grant:
    """What the lane may begin now; `unspent` items of its last grant are given back. Renews the lane's lease.

    `LeaseLost` when another worker has the lane.
    """
    quota = locked(name)
    now = clock.now()
    leases.renew(lease)
    own, others = shares(quota, lease, now)
    if quota.slowed_until is not None and quota.is_slowed(now):
        seconds = (quota.slowed_until - now).total_seconds()
        granted = Grant(request.running, 0, quota.free_at, seconds)
    else:
        free_at = without(quota.free_at, unspent, limits)
        granted = grant(limits.halved() if quota.is_lowered(now) else limits, request, own, others, free_at, now)
    if granted.free_at != quota.free_at:
        Quota.objects.filter(pk=name).update(free_at=granted.free_at)
    write(lease, quota, own, granted, waits=not granted.items and not request.running, now=now)
    return granted


def locked(name: str) -> Quota:
    """The quota's row, stored if there is none, locked until the caller's transaction ends."""
    rows = Quota.objects.select_for_update().filter(pk=name)
    quota = rows.first()
    if quota is None:
        Quota.objects.bulk_create([Quota(pk=name)], ignore_conflicts=True)
        quota = rows.get()
    return quota


def without(free_at: datetime | None, unspent: int, limits: Limits) -> datetime | None:
    """`free_at`, had those items not been granted."""
    if free_at is None or limits.per_second is None:
        return free_at
    return free_at - timedelta(seconds=unspent / limits.per_second)


def write(lease: Lease, quota: Quota, own: Share | None, granted: Grant, *, waits: bool, now: datetime) -> None:
    """What the lane holds from now on."""
    since = own.since if own is not None and own.waits == waits else now
    values = {"quota": quota, "fence": lease.fence, "slots": granted.slots, "waits": waits, "since": since}
    if not QuotaUse.objects.filter(pk=lease.checkpoint_id).update(**values):
        QuotaUse.objects.create(lane_id=lease.checkpoint_id, **values)


def let_go(lease: Lease) -> None:
    """The lane begins nothing for a while: what it held is for others."""
    QuotaUse.objects.filter(pk=lease.checkpoint_id, fence=lease.fence).update(slots=0, waits=False)


def live_uses() -> QuerySet[QuotaUse]:
    """Of lanes whose lease is good."""
    live = QuotaUse.objects.filter(fence=F("lane__fence"), lane__lease_expires_at__gt=now_sql())
    return live.exclude(lane__worker="").order_by()


def shares(quota: Quota, lease: Lease, now: datetime) -> tuple[Share | None, list[Share]]:
    """What the lane has of the quota, and what the other live ones have."""
    own, others = None, list[Share]()
    asks_still = now + timedelta(seconds=settings.PORTAL_LEASE_SECONDS) - RENEWED_WITHIN
    rows = live_uses().filter(quota=quota).values_list("pk", "slots", "waits", "since", "lane__lease_expires_at")
    for pk, slots, waits, since, lease_expires_at in rows:
        if pk == lease.checkpoint_id:
            own = Share(slots, waits, since)
        else:
            asks = lease_expires_at is not None and lease_expires_at > asks_still
            others.append(Share(slots, waits and asks, since))
    return own, others


# -- slowing down ------------------------------------------------------------------------------------------------------


def slow_down(name: str, batch_id: str, seconds: float) -> None:
    """A receiver asked for less: nothing is begun for so long, ten minutes at most, and half of the quota is granted
    for as long again, ten seconds at least. Who asked for longer stays obeyed."""
    pause = min(max(0.0, seconds), LONGEST_SLOW_DOWN)
    put_off(name, "slowed_until", pause, slowed_by=batch_id)
    put_off(name, "lowered_until", pause + max(SHORTEST_LOWERED, pause))


def put_off(name: str, column: str, seconds: float, **values: Any) -> None:
    """Set a time of the quota, and values with it, unless it is later already; one statement decides."""
    end = now_sql() + timedelta(seconds=seconds)
    sooner = Q((f"{column}__isnull", True)) | Q((f"{column}__lt", end))
    Quota.objects.filter(sooner, pk=name).update(**{column: end}, **values)


# -- showing -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuotaState:
    """A quota at one moment: its size, items that may run at the same time by what was granted, lanes that have some
    and that wait, the batches of both. Until `slowed_until` nothing begins; `is_lowered`: half of the size counts."""

    name: str
    concurrent: int | None
    per_second: float | None
    slots: int
    lanes: int
    lanes_waiting: int
    batches: list[str]
    is_lowered: bool
    slowed_until: datetime | None
    slowed_by: str


def states() -> list[QuotaState]:
    """Of every quota that is configured, by name."""
    return states_of(uses_now(), clock.now()) if settings.PORTAL_QUOTAS else []


def uses_now() -> list[QuotaUse]:
    return list(live_uses().select_related("lane"))


def states_of(uses: Sequence[QuotaUse], now: datetime) -> list[QuotaState]:
    stored = Quota.objects.in_bulk(list(settings.PORTAL_QUOTAS))
    return [state_of(stored.get(name, Quota(pk=name)), uses, now) for name in sorted(settings.PORTAL_QUOTAS)]


def state_of(quota: Quota, uses: Sequence[QuotaUse], now: datetime) -> QuotaState:
    limits = limits_of(quota.pk) or Limits()
    own = [use for use in uses if use.quota_id == quota.pk]
    return QuotaState(
        name=quota.pk,
        concurrent=limits.concurrent,
        per_second=limits.per_second,
        slots=sum(use.slots for use in own),
        lanes=sum(use.slots > 0 for use in own),
        lanes_waiting=sum(use.waits for use in own),
        batches=sorted({use.lane.batch_id for use in own}),
        is_lowered=quota.is_lowered(now),
        slowed_until=quota.slowed_until if quota.is_slowed(now) else None,
        slowed_by=quota.slowed_by if quota.is_lowered(now) else "",
    )


def size_in_words(limits: Limits) -> str:
    """`4 at once, 10 a second`."""
    words = []
    if limits.concurrent is not None:
        words.append(f"{limits.concurrent:,} at once")
    if limits.per_second is not None:
        words.append(f"{limits.per_second:,g} a second")
    return ", ".join(words)


class WaitingForQuotas:
    """Why batches wait for a quota; asked of the database at most once, and not at all where none is configured."""

    def __init__(self) -> None:
        self.states, self.held_up = dict[str, QuotaState](), frozenset[str]()
        if settings.PORTAL_QUOTAS:
            self.now, uses = clock.now(), uses_now()
            self.states = {state.name: state for state in states_of(uses, self.now)}
            self.held_up = held_up(uses, self.now)

    def why(self, batch: Batch) -> str:
        """In a sentence; empty for a batch that waits for none. Nothing of a quota that was slowed down begins; else a
        batch waits of which all lanes do, for two seconds."""
        quota = self.states.get(quota_of(batch.processor))
        if quota is None:
            return ""
        if quota.slowed_until is not None:
            left = durations.spaced(durations.rough((quota.slowed_until - self.now).total_seconds()))
            whose = "its receiver" if quota.slowed_by == batch.pk else f"the receiver of {quota.slowed_by}"
            return f"Waiting for quota {quota.name}: {whose} asked to slow down, so nothing begins for {left} more."
        if batch.pk not in self.held_up:
            return ""
        size = size_in_words(Limits(quota.concurrent, quota.per_second))
        others = len(set(quota.batches) - {batch.pk})
        shared = f", which {quantity(others, 'other batch uses', 'other batches use')}, too" if others else ""
        return f"Waiting for quota {quota.name} ({size}){shared}."

    def is_scarce(self, batch: Batch) -> bool:
        """Whether nothing of the batch's quota may begin, or other batches have some of it."""
        quota = self.states.get(quota_of(batch.processor))
        return quota is not None and (quota.slowed_until is not None or bool(set(quota.batches) - {batch.pk}))


def held_up(uses: Sequence[QuotaUse], now: datetime) -> frozenset[str]:
    """Batches whose lanes all wait, and have for two seconds."""
    waits_long: dict[str, list[bool]] = {}
    for use in uses:
        waits_long.setdefault(use.lane.batch_id, []).append(use.waits and use.since <= now - SHOWN_AFTER)
    return frozenset(batch for batch, lanes in waits_long.items() if all(lanes))
