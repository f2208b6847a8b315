"""Any order of what people, workers and deaths can do to a batch, against a model that fits on a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from batches import operations
from batches.engine import runner, slices
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lanes import leases
from batches.lifecycle import transitions
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item
from errors.models import BatchGroup, ErrorGroup, ErrorRecord
from tests.helpers.batches import submitted

NUMBER = iter(range(10**9))
LEGAL = {
    "start": {"PENDING"},
    "pause": {"RUNNING", "QUEUED"},
    "resume": {"PAUSED", "HALTED"},
    "cancel": {"PENDING", "QUEUED", "RUNNING", "PAUSING", "PAUSED", "HALTED"},
}


class Machine(RuleBasedStateMachine):
    """The model: which items exist, which can succeed, and what each verb is allowed to do."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: Batch | None = None
        self.held: list[leases.Lease] = []

    def teardown(self) -> None:
        for model in (ErrorRecord, BatchGroup, ErrorGroup, IdempotencyRecord, Checkpoint, Batch, Group):
            model._default_manager.all().delete()

    @property
    def status(self) -> str:
        return "" if self.batch is None else operations.get_batch(self.batch.pk).status

    @precondition(lambda self: self.batch is None)
    @rule(kinds=st.lists(st.sampled_from(["ok", "ok", "ok", "invalid", "skip"]), min_size=1, max_size=25))
    def submit(self, kinds: list[str]) -> None:
        items = [{"mode": kind, "n": n, "effect": True} for n, kind in enumerate(kinds)]
        self.kinds = kinds
        self.batch = submitted(items, batch_id=f"model-{next(NUMBER)}", concurrency=2, checkpoint_every=3)

    @precondition(lambda self: self.batch is not None)
    @rule(verb=st.sampled_from(sorted(LEGAL)))
    def act(self, verb: str) -> None:
        before = self.status
        try:
            getattr(operations, verb)(self.batch.pk)  # type: ignore[union-attr]
            assert before in LEGAL[verb]
        except InvalidTransition:
            assert before not in LEGAL[verb]
            assert self.status == before

    @precondition(lambda self: self.batch is not None)
    @rule()
    def retry(self) -> None:
        before, failed = self.status, Item.objects.filter(batch=self.batch, status="FAILED").count()
        try:
            assert operations.retry(self.batch.pk, all_failed=True).items == failed  # type: ignore[union-attr]
            assert before in ("COMPLETED", "PAUSED", "HALTED")
        except InvalidTransition:
            assert before not in ("COMPLETED", "PAUSED", "HALTED")
        except InvalidInput:
            assert not failed

    @precondition(lambda self: self.batch is not None)
    @rule(chunks=st.integers(1, 4))
    def work(self, chunks: int) -> None:
        """A worker comes by for some chunks; a second one at the same lane finds it taken."""
        left = [chunks]

        def count() -> None:
            left[0] -= 1

        runner.work_slice(self.batch.pk, should_stop=lambda: left[0] <= 0, on_chunk=count)  # type: ignore[union-attr]

    @precondition(lambda self: self.status in ("QUEUED", "RUNNING"))
    @rule()
    def take_and_die(self) -> None:
        """A worker takes a lane and is never heard of again."""
        lease = slices.take_lane(operations.get_batch(self.batch.pk), None)  # type: ignore[union-attr]
        if lease is not None:
            self.held.append(lease)

    @precondition(lambda self: self.held)
    @rule()
    def rescue(self) -> None:
        """Its lease runs out, and the sweep takes the lane back."""
        lease = self.held.pop()
        Checkpoint.objects.filter(pk=lease.checkpoint_id, fence=lease.fence).update(lease_expires_at=leases.now_sql())
        leases.revoke_expired()
        transitions.settle(lease.batch_id)
        assert not Checkpoint.objects.filter(pk=lease.checkpoint_id, fence=lease.fence).exists()

    @invariant()
    def every_promise_holds(self) -> None:
        if self.batch is None:
            return
        assert operations.verify(self.batch.pk) == []
        effects = set(Group.objects.filter(name__startswith=f"{self.batch.pk}/").values_list("name", flat=True))
        done = Item.objects.filter(batch=self.batch, status="SUCCEEDED")
        assert effects == {f"{self.batch.pk}/{item.key}" for item in done}
        wanted = {"ok": "SUCCEEDED", "invalid": "FAILED", "skip": "SKIPPED"}
        for item in Item.objects.filter(batch=self.batch).exclude(status="PENDING"):
            assert item.status == wanted[self.kinds[item.position]]

    @invariant()
    def a_batch_at_rest_is_held_by_nobody(self) -> None:
        if self.status in ("PAUSED", "CANCELLED", "COMPLETED"):
            held = Checkpoint.objects.filter(batch=self.batch).exclude(worker="")
            assert {row.fence for row in held} <= {lease.fence for lease in self.held if self.status == "COMPLETED"}


@pytest.mark.full
@pytest.mark.parametrize("part", range(10))
@pytest.mark.usefixtures("engine")
def test_it_keeps_every_promise_in_any_order_of_acts(part: int) -> None:
    checks: Any = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    options = settings(
        max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=checks, print_blob=True
    )
    run_state_machine_as_test(Machine, settings=options)  # type: ignore[no-untyped-call]
