"""A batch of which a stretch failed in the same way, and the addresses of its group."""

from __future__ import annotations

from django.urls import reverse

from batches.models import Batch
from errors.models import ErrorGroup
from tests.helpers.batches import modes, ran


def outage(down: int = 30, invalid: int = 4) -> Batch:
    return ran(modes(*["ok"] * 40, *["network"] * down, *["invalid"] * invalid), max_attempts=1, batch_id="outage")


def group_address(category: str = "network", name: str = "errors_group_retry") -> str:
    return reverse(f"admin:{name}", args=["outage", ErrorGroup.objects.get(category=category).fingerprint])
