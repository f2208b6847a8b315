"""A peer's own side, in its own environment: `python -m tests.bench.peers.side MODULE prepare|enqueue|work [MODE]`.

Only the standard library is imported here. What the module is given lies in the environment: `PEER_DATABASE` (a
`postgres://` URL), `PEER_BROKER` (a `redis://` URL) and `PEER_ITEMS`.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from tests.bench.floors import trivial

ITEM_ROWS = "CREATE TABLE peer_item (id int PRIMARY KEY, result jsonb, finished_at timestamptz)"
"""Where a peer that stores no results has its tasks write them, by id; `ADD_ITEM_ROWS` with their number fills it."""
ADD_ITEM_ROWS = "INSERT INTO peer_item (id) SELECT n FROM generate_series(0, {} - 1) n"


def payloads(items: int) -> list[dict[str, Any]]:
    return [{"n": n, "name": "item"} for n in range(items)]


def outcome(payload: dict[str, Any]) -> dict[str, str]:
    """What is done with an item; its result is to be stored."""
    return trivial(payload, None)


def database() -> str:
    return os.environ["PEER_DATABASE"]


def broker() -> str:
    return os.environ["PEER_BROKER"]


def set_up_django(*apps: str, kept: bool = True, **settings: Any) -> None:
    """A Django project with these apps; without `kept`, it connects to the database for every task."""
    import django
    from django.conf import settings as configured

    url = urlsplit(database())
    connection: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username}
    connection |= {"HOST": url.hostname, "PORT": url.port, "CONN_MAX_AGE": 600 if kept else 0}
    configured.configure(
        DATABASES={"default": connection},
        INSTALLED_APPS=["django.contrib.contenttypes", *apps],
        SECRET_KEY="of a bench",
        USE_TZ=True,
        **settings,
    )
    django.setup()


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def main(name: str, command: str, mode: str = "") -> None:
    module = importlib.import_module(f"tests.bench.peers.{name}")
    if command == "enqueue":
        module.enqueue(int(os.environ["PEER_ITEMS"]), mode)
    elif command == "work":
        module.work(mode)
    else:
        getattr(module, command)()


if __name__ == "__main__":
    main(*sys.argv[1:])
