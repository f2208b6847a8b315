"""How large the processes are, on SQLite and without a broker's server: `python -m tests.bench.memory`.

A web process once it listens, after /readyz, after somebody has signed in and looked at every kind of page, and at
rest again; a worker's process while it runs items. The resident set holds pages that processes share, too: beside it
stands what a process would free if it ended.
"""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from time import sleep
from typing import Any

WEB_MB, WORKER_MB = 100, 150
PAGES = (
    *("/admin/", "/admin/batches/batch/", "/admin/batches/batch/seen/change/"),
    "/admin/batches/item/?batch__id__exact=seen",
    *("/admin/errors/errorgroup/desk/", "/api/batches", "/api/batches/seen", "/api/batches/seen/errors"),
)
PASSWORD = "a bench's own"
ROUNDS = 5


def main() -> None:
    from tests.servers.ports import free_port

    with tempfile.TemporaryDirectory() as var:
        port = free_port()
        environment = {**os.environ, "PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
        environment |= {"PORTAL_WEB": "1", "PORT": str(port), "LOG_LEVEL": "ERROR"}
        environment |= {"PORTAL_PROCESSORS": "tests.bench.processors"}
        code = "import django; django.setup(); from tests.bench import memory; memory.fill()"
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        web(environment, f"http://127.0.0.1:{port}")
        worker(environment)


def fill() -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from batches import operations
    from batches.engine import runner

    call_command("migrate", verbosity=0)
    User.objects.create_superuser("bench", "", PASSWORD)
    for batch_id, processor, items in (("seen", "bench.fail", 200), ("large", "bench.noop", 50_000)):
        operations.submit(processor=processor, items=({"n": n} for n in range(items)), batch_id=batch_id)
    operations.start("seen")
    runner.work_until_idle("seen")
    operations.start("large")


def web(environment: dict[str, str], address: str) -> None:
    process = subprocess.Popen([sys.executable, "-m", "batchportal.web"], env=environment, start_new_session=True)
    try:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        for _ in range(300):
            if listens(opener, f"{address}/livez"):
                break
            sleep(0.2)
        report("web, listening", process.pid, WEB_MB)
        opener.open(f"{address}/readyz").read()
        report("web, after /readyz", process.pid, WEB_MB)
        sign_in(opener, address)
        for _ in range(ROUNDS):
            for page in PAGES:
                listens(opener, address + page)
        report("web, after sign-in and pages", process.pid, WEB_MB)
        sleep(5)
        report("web, at rest again", process.pid, WEB_MB)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def listens(opener: Any, address: str) -> bool:
    try:
        opener.open(address).read()
    except urllib.error.HTTPError as error:
        print(f"  {error.code} {address}", file=sys.stderr)
        return True
    except OSError:
        return False
    return True


def sign_in(opener: Any, address: str) -> None:
    page = opener.open(f"{address}/admin/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": "bench", "password": PASSWORD, "next": "/admin/"}
    opener.open(f"{address}/admin/login/", urllib.parse.urlencode(form).encode()).read()


def worker(environment: dict[str, str]) -> None:
    process = subprocess.Popen([sys.executable, "-m", "batchportal.worker"], env=environment, start_new_session=True)
    try:
        sleep(15)
        for pid in sorted(descendants(process.pid)):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:40]
            report(f"worker's process {command}", pid, WORKER_MB)
    finally:
        process.terminate()
        process.wait(60)


def descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid}.union(*(descendants(int(child)) for child in children))


def report(what: str, pid: int, most: int) -> None:
    lines = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M))
    resident = int(lines["Rss"]) / 1024
    own = (int(lines["Private_Clean"]) + int(lines["Private_Dirty"])) / 1024
    held = "ok" if resident <= most else "MISSED"
    print(f"{what:<60} {resident:6.1f} MB resident, {own:6.1f} of its own; <= {most} {held}", flush=True)


if __name__ == "__main__":
    main()
