"""What a system says in prose may name a category, and never buys a try beyond `max_attempts`."""

from __future__ import annotations

import pytest

from batches.models import Batch, Item
from batches.processors import ItemError
from tests import processors
from tests.helpers.batches import modes, ran

PROSE = [
    *("Quotation SO-0015 has no lines", "separate limits apply to this account", "status 500 pieces are missing"),
    *("the corporate limit of this customer is used up", "Quota exceeded", "too many requests", "slow down"),
    *("rate limit reached", "503 Service Unavailable", "timed out", "please try again later", "server is busy"),
]
CODES = ["QUOTATION_EXPIRED", "TIMEOUT_DATE_IN_PAST", "CONNECTION_TYPE_UNKNOWN", "SEPARATE_LIMITS"]
ERRORS = [*(RuntimeError(text) for text in PROSE), *(ItemError("refused", code=code) for code in CODES)]


@pytest.mark.usefixtures("engine")
def test_prose_buys_no_try_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(processors.MODES, "speak", lambda payload, context: processors.raising(ERRORS[payload["n"]]))
    batch = ran(modes(*["speak"] * len(ERRORS)), max_attempts=3, batch_id="prose")
    tries = list(Item.objects.filter(batch=batch).order_by("position").values_list("status", "attempts", "forgiven"))
    assert batch.status == Batch.Status.COMPLETED, tries
    assert [(str(ERRORS[n]), row) for n, row in enumerate(tries) if row[1] + row[2] > 3] == []
