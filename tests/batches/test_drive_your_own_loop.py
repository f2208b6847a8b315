"""The program of `docs/drive-your-own-loop.md`, as it stands there, also where it is killed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from batches import operations
from tests.helpers.places import ROOT
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., "subprocess.Popen[str]"]

GUIDE = (ROOT / "docs" / "drive-your-own-loop.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)

KILLED = """
import json, os, random, signal, sys, time
from collections import Counter
from django.contrib.auth.models import Group
from django.db import connection, connections
from batches.models import Item

program, items, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
sys.argv = ["program", items]

def begin():
    connections.close_all()
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            exec(program, {"__name__": "__main__"})
        finally:
            os._exit(0)
    return process

running, killed = {begin(), begin()}, 0
while killed < kills:
    time.sleep(chance.uniform(0.0, 0.3))
    victim = chance.choice(sorted(running))
    ended, _ = os.waitpid(victim, os.WNOHANG)
    if not ended:
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        killed += 1
    running = running - {victim} | {begin()}
    done = Item.objects.filter(batch="nightly", status="SUCCEEDED").count()
    if done == int(items):
        break
for process in running:
    os.waitpid(process, 0)
for _ in range(2):  # an item that was in hand at two deaths is set aside, until it is run again
    exec(program, {"__name__": "__main__"})
names = Group.objects.filter(name__startswith="item_").values_list("name", flat=True)
effects = Counter(name.split()[0] for name in names)
print(json.dumps({
    "killed": killed,
    "lost": [n for n in range(int(items)) if f"item_{n}" not in effects],
    "doubled": [name for name, times in effects.items() if times > 1],
}))
"""


@pytest.mark.any_database
def test_it_prints_what_the_guide_says(in_process: Start) -> None:
    printed, errors = in_process(PROGRAM, "30").communicate(timeout=PATIENCE)
    lines = printed.splitlines()
    assert lines[:3] == [
        "30 now, 0 before, 0 failed",
        "next index 30, 100.0 %, COMPLETED",
        "3 errors: {'TIMEOUT': 3}",
    ], errors
    assert len(lines) > 3
    assert operations.verify("nightly") == []
    again, errors = in_process(PROGRAM, "30").communicate(timeout=PATIENCE)
    assert again.splitlines()[0] == "0 now, 30 before, 0 failed", errors


def killed(in_process: Start, *, items: int, kills: int, seed: int) -> dict[str, object]:
    process = in_process(KILLED, PROGRAM, str(items), str(kills), str(seed))
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.full
def test_it_loses_and_doubles_nothing_in_two_processes_that_are_killed(in_process: Start) -> None:
    result = killed(in_process, items=400, kills=4, seed=1)
    assert (result["lost"], result["doubled"]) == ([], [])
    assert operations.verify("nightly") == []


@pytest.mark.full
def test_it_loses_and_doubles_nothing_under_a_hundred_kills(in_process: Start) -> None:
    result = killed(in_process, items=1_000, kills=100, seed=2)
    assert (result["killed"], result["lost"], result["doubled"]) == (100, [], [])
    assert operations.verify("nightly") == []
