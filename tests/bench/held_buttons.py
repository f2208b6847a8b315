"""While one client sends what is meant to hold everybody up, how long does another wait, and how much does web grow?

`python -m tests.bench.held_buttons`: a portal of its own, with one web process; an operator who looks at a batch and
presses pause and resume in turn, ten times a second at most, while each attack lasts, or another operator's act upon
very many items. Exits 1 where somebody waited for longer than a second (99 of 100 requests), or the process grew by
more than 100 MB.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import httpx

from tests.bench import mass_acts
from tests.helpers.portal import Portal, served

MOST_SECONDS, MOST_MB, PATIENCE = 1.0, 100, 90
LOOKS_PER_PRESS = 10
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PARTS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
Request = tuple[str, str, bytes]
"""Path, content type and body."""
STRANGERS: dict[str, Callable[[], Request]] = {
    "a multipart body of 300,000 fields": lambda: (
        "/admin/login/",
        "multipart/form-data; boundary=x",
        PARTS * 300_000 + b"--x--\r\n",
    ),
    "3,000,000 fields at sign-in": lambda: ("/admin/login/", FORM, b"a=1&" * 3_000_000),
    "80 KB of brackets": lambda: ("/api/batches", JSON, b"[" * 80_000),
}
SIGNED_IN: dict[str, Callable[[], Request]] = {
    "a name twice among 60,000": lambda: (
        "/api/batches",
        JSON,
        object_of(b'"n%d":1' % (n % 59_999) for n in range(60_000)),
    ),
    "1,500,000 names": lambda: ("/api/batches", JSON, object_of(b'"n%d":1' % n for n in range(1_500_000))),
    "14,000,000 empty items": lambda: ("/api/batches", JSON, b'{"items":[' + b"{}," * 14_000_000 + b"{}]}"),
    "80 KB of brackets": lambda: ("/api/batches", JSON, b'{"items":' + b"[" * 80_000),
    "a number of 45 MB": lambda: ("/api/batches", JSON, b'{"items":' + b"9" * 45_000_000 + b"}"),
    "a text of 45 MB": lambda: ("/api/batches", JSON, b'{"items":"' + b"a" * 45_000_000 + b'"}'),
    "a text of 42 MB": lambda: ("/api/batches", JSON, b'{"items":"' + b"a" * 42_000_000 + b'"}'),
    "a text of 45 MB with one emoji": lambda: (
        "/api/batches",
        JSON,
        b'{"items":"' + "\U0001f600".encode() + b"a" * 45_000_000 + b'"}',
    ),
    "990,000 items of one number": lambda: (
        "/api/batches",
        JSON,
        b'{"processor":"check_rows","params":{"schema":"{}"},"items":[' + b'{"a":1},' * 989_999 + b'{"a":1}]}',
    ),
    "250,000 items of one number": lambda: (
        "/api/batches",
        JSON,
        b'{"processor":"check_rows","params":{"schema":"{}"},"items":[' + b'{"a":1},' * 249_999 + b'{"a":1}]}',
    ),
    "an open quote before 45 MB": lambda: upload(b'a,b\n"' + b"1,2\n" * 11_000_000),
    "12,000,000 short rows": lambda: upload(b"a\n" + b"1\n" * 12_000_000),
    "a key twice after 400,000 rows": lambda: upload(
        b"n\n" + b"".join(b"%d\n" % n for n in [*range(400_000), 0]), key="n"
    ),
    "400,000 rows": lambda: upload(b"n\n" + b"".join(b"%d\n" % n for n in range(400_000)), key="n"),
}


def object_of(members: Iterable[bytes]) -> bytes:
    """JSON of an object that has these."""
    return b"{" + b",".join(members) + b"}"


def upload(content: bytes, key: str = "") -> Request:
    fields = {"processor": "check_rows", "params.schema": "{}", "key_column": key}
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    )
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\nContent-Type: text/csv\r\n\r\n'
    return "/api/batches", "multipart/form-data; boundary=x", body + head + content + b"\r\n--x--\r\n"


class Bystander(threading.Thread):
    """Somebody else, and the seconds that each of their requests took."""

    def __init__(self, portal: Portal, token: str) -> None:
        super().__init__(daemon=True)
        self.client = httpx.Client(base_url=portal.url, headers={"Authorization": f"Token {token}"}, timeout=PATIENCE)
        self.seconds: list[float] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        buttons = cycle(("/pause", "/resume"))
        for turn in count(1):
            if self.is_over.wait(0.1):
                return
            self.ask("GET")
            if turn % LOOKS_PER_PRESS == 0:
                self.ask("POST", next(buttons))

    def ask(self, method: str, act: str = "") -> None:
        begun = time.monotonic()
        self.client.request(method, f"/api/batches/b1{act}")
        self.seconds.append(time.monotonic() - begun)

    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)] if self.seconds else 0.0


@contextmanager
def bystander(portal: Portal, token: str) -> Iterator[Bystander]:
    other = Bystander(portal, token)
    other.start()
    try:
        yield other
    finally:
        other.is_over.set()
        other.join(PATIENCE)


def web_megabytes(var: str) -> float:
    """Resident memory of the web processes that keep their files there."""
    pages = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_web = b"batchportal.web" in (process / "cmdline").read_bytes()
            if is_web and f"PORTAL_VAR={var}".encode() in (process / "environ").read_bytes():
                pages += int((process / "statm").read_text().split()[1])
        except OSError:
            continue
    return pages * 4096 / 1024 / 1024


def attacked(
    portal: Portal, var: str, about: str, make: Callable[[], Request], attacker: str, bystander_token: str
) -> bool:
    """One line of the table; whether nobody was held up. Without a token the attacker is a stranger."""
    path, content_type, body = make()
    headers = {"Content-Type": content_type} | ({"Authorization": f"Token {attacker}"} if attacker else {})
    return watched(portal, var, about, lambda: send(portal.url + path, headers, body), bystander_token)


def acted(portal: Portal, var: str, about: str, act: Callable[[httpx.Client], int], operator: str, other: str) -> bool:
    """The same of an operator's act."""
    headers = {"Authorization": f"Token {operator}"}
    with httpx.Client(base_url=portal.url, headers=headers, timeout=mass_acts.PATIENCE) as rest:
        return watched(portal, var, about, lambda: str(act(rest)), other)


def watched(portal: Portal, var: str, about: str, act: Callable[[], str], bystander_token: str) -> bool:
    """The same of anything that answers in a word."""
    answer: list[str] = []
    before, begun, peak = web_megabytes(var), time.monotonic(), 0.0
    with bystander(portal, bystander_token) as other:
        sender = threading.Thread(target=lambda: answer.append(act()), daemon=True)
        sender.start()
        while sender.is_alive():
            peak = max(peak, web_megabytes(var))
            sender.join(0.1)
        took = time.monotonic() - begun
        time.sleep(1)
    p99, grown = other.p99(), max(0.0, peak - before)
    print(f"{about:<38}{answer[0]:<16}{took:>8.1f}{p99:>9.2f}{max(other.seconds):>9.2f}{grown:>9.0f}", flush=True)
    return p99 <= MOST_SECONDS and grown <= MOST_MB


def send(url: str, headers: dict[str, str], body: bytes) -> str:
    try:
        return str(httpx.post(url, headers=headers, content=body, timeout=PATIENCE).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


SET_UP = """
from django.contrib.auth import get_user_model
from batches import operations
from batches.operations.tokens import TokenRequest, create_token
user = get_user_model().objects.get(username="operator")
items = [{"n": n} for n in range(1000)]
operations.submit(processor="check_rows", params={"schema": "{}"}, items=items, batch_id="b1", rate=1)
operations.start("b1")
for name in ("attacker", "bystander"):
    print("TOKEN", create_token(TokenRequest(user, name, scope="operator")).key)
"""


def main() -> int:
    held_up = 0
    with tempfile.TemporaryDirectory() as var:
        for portal in served(Path(var), PORTAL_WEB="1", LOG_LEVEL="CRITICAL"):
            answer = portal.manage("shell", "--command", SET_UP)
            attacker, other = re.findall(r"^TOKEN (\S+)$", answer.stdout, re.M)
            print(f"{'':<38}{'answer':<16}{'after s':>8}{'p99 s':>9}{'worst s':>9}{'MB more':>9}")
            attacked(
                portal, var, "nobody", lambda: ("/healthz", FORM, b""), "", other
            )  # what nobody attacks takes, too
            for about, request in STRANGERS.items():
                held_up += not attacked(portal, var, f"{about} (a stranger)", request, "", other)
            for about, request in SIGNED_IN.items():
                held_up += not attacked(portal, var, about, request, attacker, other)
            portal.manage("shell", "--command", "from tests.bench.mass_acts import fill; fill()")
            for about, act in mass_acts.ACTS.items():
                held_up += not acted(portal, var, about, act, attacker, other)
    return int(held_up > 0)


if __name__ == "__main__":
    sys.exit(main())
