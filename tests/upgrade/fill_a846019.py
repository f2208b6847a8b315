"""How the databases beside this file were filled, once, at commit a846019: it runs there and nowhere else.

    python -m tests.upgrade.fill_a846019

The dumps are those of `sqlite3 … .dump` and of `pg_dump --inserts --no-owner --no-privileges`; the worker's name in
them was replaced by that of a host which is gone, and monitoring's tallies were left out. Two batches are left running
by a worker that was killed: `first-run` in the middle of its first run, `retried` in the middle of a retry, after a
part of its failures was corrected by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCHEMA = json.dumps({"properties": {"price": {"type": "integer", "minimum": 0}, "mail": {"type": "string"}}})
DIES = """
import os, sys
import django; django.setup()
from batches import runner
left = [int(sys.argv[2])]
def count():
    left[0] -= 1
    if not left[0]:
        os._exit(9)
runner.work_slice(sys.argv[1], on_chunk=count)
"""


def rows(count: int) -> list[dict[str, object]]:
    """Every fifth has no number for its price, every seventh a negative one."""
    return [
        {"sku": f"A-{n}", "price": "none" if n % 5 == 0 else -n if n % 7 == 0 else n, "token": f"t-{n}"}
        for n in range(1, count + 1)
    ]


def die_after(batch_id: str, chunks: int) -> None:
    """A worker works on the batch and is gone in the middle of it."""
    ended = subprocess.run([sys.executable, "-c", DIES, batch_id, str(chunks)], check=False)
    assert ended.returncode == 9, ended


def main() -> None:
    import django

    django.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from errors.wanted import Wanted

    from batches import operations, rehearsals, runner
    from batches.models import Webhook
    from errors import exports, findings, groups, plans, recommendations
    from errors.models import ErrorGroup

    call_command("migrate", verbosity=0)
    for name in ("operator", "viewer"):
        User.objects.create(username=name, email=f"{name}@example.com", is_staff=True).groups.add(
            Group.objects.get(name=name)
        )
    User.objects.create(username="admin", is_staff=True, is_superuser=True)
    Webhook.objects.create(url="https://hooks.example/portal", secret="whsec_dXBncmFkZXMta2VlcC1pdA==")

    submission = {"processor": "check_rows", "params": {"schema": SCHEMA}, "key_column": "sku", "actor": "operator"}
    operations.submit(items=rows(50), batch_id="retried", name="prices of week 47", checkpoint_every=5, **submission)
    operations.watch("retried", User.objects.get(username="operator"))
    made = operations.rehearse("retried", actor="operator", sample=5, wake=False)
    while rehearsals.work(made.pk):
        pass
    operations.start("retried", actor="operator")
    runner.work_until_idle("retried")
    findings.findings(operations.get_batch("retried"))
    recommendations.refresh(operations.get_batch("retried"))
    plans.make("retried", actor="operator")
    first, second = ErrorGroup.objects.order_by("pk")
    groups.acknowledge(first.pk, actor="operator", reason="the feed is asked")
    groups.note(first.pk, "Week 46 had it too.", actor="operator")
    groups.resolve(second.pk, actor="operator", reason="fixed upstream")
    corrected = [{"sku": f"A-{n}", "price": n, "token": "[redacted]", "_item_key": f"A-{n}"} for n in (5, 10)]
    operations.correct("retried", items=corrected, actor="operator", reason="typed in by hand")
    runner.work_until_idle("retried")
    operations.set_aside("retried", item_keys=["A-15"], actor="operator", reason="ask accounting")
    exports.begin(Wanted(operations.get_batch("retried"), kind="fix"), actor="viewer")
    operations.retry("retried", all_failed=True, permanent=True, actor="operator", reason="once more")
    die_after("retried", 2)

    operations.submit(items=rows(30), batch_id="first-run", name="prices of week 48", checkpoint_every=5, **submission)
    operations.start("first-run", actor="operator")
    die_after("first-run", 3)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
    main()
