"""The tester tested: a run whose faults never happen does not pass."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from tests.chaos.acts import ACTS
from tests.chaos.judging import EVENTS, TRACES, missing_events, unfired, without_trace

pytestmark = pytest.mark.any_database
EVERYTHING = {event: 1.0 for _, _, events, _ in EVENTS for event in events}


def test_an_act_that_was_to_be_done_and_never_was_is_a_failure() -> None:
    assert list(unfired(["kills"] * 50 + ["brokers"], Counter(kills=50))) == [
        "unfired: brokers was to be done 1 times, and never was"
    ]
    assert list(unfired(["kills"], Counter(kills=1))) == []


@pytest.mark.parametrize("event", sorted(EVERYTHING))
def test_what_must_sometimes_happen_and_never_did_is_a_failure(event: str) -> None:
    landed = dict.fromkeys(ACTS, 50)
    counted = {name: times for name, times in EVERYTHING.items() if name != event}
    for processor in ("ledger", "call", "ask"):
        assert list(missing_events(landed, EVERYTHING, processor)) == []
    assert any(event in fault for kind in ("ledger", "call", "ask") for fault in missing_events(landed, counted, kind))


def test_few_acts_need_not_lead_to_anything() -> None:
    assert list(missing_events({"kills": 2, "freezes": 9}, {}, "ledger")) == []


def test_every_act_that_events_name_exists() -> None:
    assert {name for acts, *_ in EVENTS for name in acts} <= set(ACTS)


@pytest.mark.parametrize("act", [name for name in ACTS if name not in ("redeliveries",)])
def test_an_act_that_is_only_said_to_be_done_is_a_failure(act: str, db: None) -> None:
    """By what it leaves behind, or by what it must lead to."""
    portal = SimpleNamespace(workers=3, replies_lost=lambda: 0, postgresql=None, valkey=None)
    run = SimpleNamespace(batch_id="b1", portal=portal)
    landed = {act: 50}
    missed = list(missing_events(landed, {}, "ledger"))
    with patch("tests.chaos.judging.columns_added", return_value=0):
        missed += without_trace(landed, lambda name: name not in TRACES or TRACES[name](run, {}))
    assert missed
    assert list(without_trace({act: 0}, lambda name: False)) == []
