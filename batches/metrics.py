"""`/metrics`: what a monitoring system asks of the portal, in Prometheus' text form.

All of it comes from the database, because workers are other processes and machines: sums over lanes and batches, never
over items, so that a million items cost as much as ten. Only sockets are this web process's own.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from batches.conf import settings
from batches.lanes import global_pause, quotas
from batches.lanes.counters import BUCKETS, SENDER, SWEEP, WORKER
from batches.lanes.lane_counts import COUNTERS
from batches.lifecycle import retention
from batches.lifecycle.removal_record import forgotten_items
from batches.live import hub
from batches.models import Batch, Checkpoint, Delivery, IdempotencyRecord, Removal, Tally, Transition
from batches.progress_tracker import Progress, progress_of

PREFIX = "batchportal_"
AD_HOC = "ad hoc"
PACED_BATCHES = 200
"""Working batches whose pace is looked at, those that began last."""
OVERDUE = timedelta(hours=2)
COUNT_LIMIT = 10_000
"""Rows that wait to be cleaned up are counted up to here."""
STATES = (*COUNTERS, "pending")

COUNTED: dict[str, tuple[tuple[str, ...], str]] = {
    # name: its labels, and what it counts
    "lease_takeovers": (("clean",), "Lanes taken, by how their last holder left: clean or unclean."),
    "worker_deaths": (("cause",), "Lanes whose worker died: its process gone, or its lease run out."),
    "fence_rejections": ((), "Slices that found their lane taken over; what they had not committed is void."),
    "chunk_retries": (("sqlstate",), "Chunks rolled back and done again, by what the database or processor said."),
    "idem_hits": ((), "Items whose response was remembered under their idempotency key, so that nothing ran."),
    "external_repeats": ((), "Calls to the outside that are made once more, because their worker was lost."),
    "unknown_outcomes": (
        (),
        "Calls to the outside of which a person is asked what they did: their worker was lost.",
    ),
    "partial_chunks": ((), "Chunks that ended before their last item, for a stop or their time; the rest came later."),
}
TIMED: dict[str, tuple[tuple[str, ...], str]] = {
    "item_seconds": (("processor",), "Seconds an attempt at an item took."),
    "chunk_commit_seconds": (("processor",), "Seconds from the begin of a chunk to its commit."),
    "pause_latency_seconds": (("verb",), "Seconds from asking for a pause or cancel to no worker holding the batch."),
}


def exposition() -> bytes:
    """The whole page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())  # type: ignore[arg-type]
    return generate_latest(registry)


class Collector:
    """Asked once a scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from items_and_batches()
        yield from working_batches()
        yield from counted_by_workers()
        yield from deliveries()
        yield from housekeeping()
        yield from retention_and_removals()
        yield from quotas_in_use()
        yield gauge("ws_connections", "Open sockets of this web process.", hub.open_sockets())
        dropped = CounterMetricFamily(f"{PREFIX}ws_dropped", "Frames of this web process that a slow client never got.")
        dropped.add_metric((), hub.dropped_frames())
        yield dropped

    def describe(self) -> Iterable[Metric]:
        return ()


def gauge(name: str, help_text: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value, labels=None if value is not None else labels)


def items_and_batches() -> Iterator[Metric]:
    """Items by state and processor, batches by status, and what waits to be done."""
    totals: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys((*STATES, "batches"), 0))
    grouped = Batch.objects.order_by().values_list("processor", "status")
    for processor, status, batches, items in grouped.annotate(Count("pk"), Sum("total_items")):
        totals[processor, status] |= {"batches": batches, "pending": items or 0}
    sums = Checkpoint.objects.order_by().values_list("batch__processor", "batch__status")
    for processor, status, *counts in sums.annotate(*(Sum(name) for name in COUNTERS)):
        row = totals[processor, status]
        row |= dict(zip(COUNTERS, counts, strict=True))
        row["pending"] = max(0, row["pending"] - sum(counts))
    items = gauge("items_total", "Items, by state and processor.", labels=("state", "processor"))
    for processor in sorted({processor for processor, _ in totals}):
        for state in STATES:
            count = sum(row[state] for (name, _), row in totals.items() if name == processor)
            items.add_metric((state, processor or AD_HOC), count)
    yield items
    by_status = gauge("batches", "Batches, by status.", labels=("status",))
    for status in Batch.Status.values:
        count = sum(row["batches"] for (_, name), row in totals.items() if name == status)
        by_status.add_metric((status.lower(),), count)
    yield by_status
    waiting = sum(row["pending"] for (name, status), row in totals.items() if name and status in Batch.ACTIVE)
    yield gauge("queue_depth", "Items that wait for workers, of batches that are queued or running.", waiting)
    quarantined = sum(row["quarantined"] for row in totals.values())
    yield gauge("quarantined_total", "Items that kill workers, or whose outcome nobody knows.", quarantined)


def working_batches() -> Iterator[Metric]:
    """Pace, standstill and waiting of the batches that should be moving."""
    now = timezone.now()
    batches = list(Batch.objects.filter(status__in=Batch.WORKING).order_by("-running_since")[:PACED_BATCHES])
    progress = progress_of(batches)
    pace = gauge("items_per_second", "Recent velocity of running batches, by processor.", labels=("processor",))
    for processor, velocity in by_processor(batches, progress).items():
        pace.add_metric((processor or AD_HOC,), velocity)
    yield pace
    stuck = sum(row.stuck for row in progress.values())
    yield gauge("batches_stuck", "Batches that should be running, but no worker has them.", stuck)
    saved = dict(Checkpoint.objects.filter(batch__in=batches).order_by().values_list("batch").annotate(Max("saved_at")))
    moved = [
        max(filter(None, (saved.get(batch.pk), batch.running_since, batch.created_at)))
        for batch in batches
        if not batch.is_ad_hoc
    ]
    stalled = age(min(moved, default=now), now)
    yield gauge("stalled_seconds", "The longest a batch that workers have has been without progress.", stalled)
    queued = Transition.objects.filter(batch__status=Batch.Status.QUEUED, to_status=Batch.Status.QUEUED)
    queued = queued.exclude(batch__processor="")
    since = queued.order_by().values_list("batch").annotate(Max("at")).values_list("at__max", flat=True)
    oldest = min(since, default=now)
    yield gauge("oldest_pending_seconds", "How long the longest waiting queued batch has waited.", age(oldest, now))
    paused = float(global_pause.is_on())
    yield gauge("everything_paused", "1 while everything is paused by a person, else 0.", paused)
    yield gauge("lanes_held", "Lanes that a worker holds.", Checkpoint.objects.exclude(worker="").count())
    yield heartbeats(WORKER, "worker_heartbeat_seconds", "Since the worker of a host was last heard of.")


def heartbeats(tally: str, name: str, help_text: str) -> Metric:
    """Seconds by host, of hosts that were heard of within a day."""
    family, now = gauge(name, help_text, labels=("host",)), timezone.now()
    for host, at in Tally.objects.filter(name=tally, at__gt=now - timedelta(days=1)).values_list("labels", "at"):
        family.add_metric((host,), age(at, now))
    return family


def by_processor(batches: Iterable[Batch], progress: dict[str, Progress]) -> dict[str, float]:
    """Items a second, by the processor's name."""
    paces: dict[str, float] = defaultdict(float)
    for batch in batches:
        paces[batch.processor] += progress[batch.pk].recent_velocity or 0.0
    return paces


def age(since: datetime, now: datetime) -> float:
    """Seconds, to the millisecond."""
    return round(max(0.0, (now - since).total_seconds()), 3)


def counted_by_workers() -> Iterator[Metric]:
    """What workers have counted."""
    rows: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for name, joined, count in Tally.objects.exclude(name__in=(WORKER, SENDER, SWEEP)).values_list(
        "name", "labels", "count"
    ):
        rows[name][tuple(joined.split("\t")) if joined else ()] = count
    for name, (labels, help_text) in COUNTED.items():
        counter = CounterMetricFamily(PREFIX + name, help_text, labels=labels)
        for values, count in (rows[name] or ({(): 0.0} if not labels else {})).items():
            counter.add_metric(values, count)
        yield counter
    for name, (labels, help_text) in TIMED.items():
        histogram = HistogramMetricFamily(PREFIX + name, help_text, labels=labels)
        for values, total in rows[f"{name}_sum"].items():
            histogram.add_metric(values or ("",), cumulated(rows[f"{name}_bucket"], values or ("",)), sum_value=total)
        yield histogram


def cumulated(buckets: dict[tuple[str, ...], float], values: tuple[str, ...]) -> list[tuple[str, float]]:
    """(upper bound, events up to it) of a histogram whose labels have these values, as Prometheus writes it."""
    rows, so_far = [], 0.0
    for bound in BUCKETS:
        so_far += buckets.get((*values, f"{bound:g}"), 0.0)
        rows.append((f"{bound:g}".replace("inf", "+Inf"), so_far))
    return rows


def deliveries() -> Iterator[Metric]:
    """Mail and webhooks that have not arrived yet."""
    now = timezone.now()
    waiting = Delivery.objects.filter(due_at__isnull=False)
    counts = waiting.aggregate(fresh=Count("pk", filter=Q(attempts=0)), again=Count("pk", filter=Q(attempts__gt=0)))
    family = gauge("deliveries", "Mails and webhook messages that have not arrived yet.", labels=("state",))
    family.add_metric(("waiting",), counts["fresh"])
    family.add_metric(("retrying",), counts["again"])
    yield family
    due = waiting.filter(due_at__lt=now).aggregate(first=Min("due_at"))["first"]
    yield heartbeats(SENDER, "sender_heartbeat_seconds", "Since the sender of deliveries was last heard of.")
    yield gauge("deliveries_overdue_seconds", "How late the most overdue delivery is.", age(due or now, now))


def housekeeping() -> Iterator[Metric]:
    """Whether the portal cleans up after itself and has room."""
    expired = IdempotencyRecord.objects.filter(expires_at__lt=timezone.now() - OVERDUE)
    counted = expired.values("pk")[:COUNT_LIMIT].count()
    yield gauge(
        "idempotency_overdue", "Idempotency rows that expired hours ago and are still there, up to 10,000.", counted
    )
    disk = shutil.disk_usage(settings.PORTAL_VAR)
    yield gauge("disk_free_ratio", "Free part of the disk that holds PORTAL_VAR, 0 to 1.", disk.free / disk.total)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM pg_stat_activity"
                " WHERE datname = CURRENT_DATABASE() AND state LIKE 'idle in transaction%'"
            )
            idle = cursor.fetchone()[0]
        yield gauge("db_idle_in_txn", "Database sessions that are idle within a transaction.", idle)


def quotas_in_use() -> Iterator[Metric]:
    """What batches share, of each quota that is configured."""
    now, labels = timezone.now(), ("quota",)
    slots = gauge("quota_slots", "Items that may run at the same time by what lanes were granted.", labels=labels)
    waiting = gauge("quota_lanes_waiting", "Lanes that wait for their share.", labels=labels)
    slowed = gauge("quota_slowed_seconds", "For how long nothing begins, as a receiver asked for less.", labels=labels)
    for state in quotas.states():
        slots.add_metric((state.name,), state.slots)
        waiting.add_metric((state.name,), state.lanes_waiting)
        slowed.add_metric((state.name,), age(now, state.slowed_until) if state.slowed_until else 0.0)
    yield from (slots, waiting, slowed)


def retention_and_removals() -> Iterator[Metric]:
    """Whether the rules of retention are applied, and what goes."""
    now, run = timezone.now(), retention.last_run()
    since = gauge(
        "retention_run_seconds", "Since the last run of the rules of retention that came to its end.", labels=()
    )
    if run is not None:
        since.add_metric((), age(run.at, now))
        yield since
    rows = Removal.objects.filter(state=Removal.State.RUNNING)
    counts = dict(rows.order_by().values_list("kind").annotate(Count("pk")))
    going = gauge("removals_running", "Batches that are being deleted or archived.", labels=("kind",))
    gone = CounterMetricFamily(f"{PREFIX}removed_items", "Items that were deleted or archived.", labels=("kind",))
    items = Counter[str](dict(Removal.objects.order_by().values_list("kind").annotate(Sum("removed_items")))) + Counter(
        forgotten_items()
    )
    for kind in Removal.Kind.values:
        going.add_metric((kind,), counts.get(kind, 0))
        gone.add_metric((kind,), items[kind])
    yield going
    yield gone
    oldest = rows.aggregate(first=Min("began_at"))["first"]
    yield gauge("removal_oldest_seconds", "How long the longest removal has been going on.", age(oldest or now, now))
