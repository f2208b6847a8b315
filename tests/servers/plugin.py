"""Chooses the tests' database before Django reads its settings: `--database=sqlite` (default) or `postgresql`.

Every run writes into a directory of its own; xdist's workers share the server and have a database each.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import pytest

from tests.servers.postgresql import PostgreSQL

HERE = "PORTAL_TESTS_IN"
_server: PostgreSQL | None = None
_own: str = ""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="what the tests run on")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: Any, args: list[str]) -> None:
    global _server, _own
    if HERE not in os.environ:
        _own = tempfile.mkdtemp(prefix="portal-tests-")
        os.environ[HERE] = _own
        os.environ.pop("DATABASE_URL", None)
        if any(arg in ("--database=postgresql",) for arg in args):
            _server = PostgreSQL().start()
            os.environ["DATABASE_URL"] = _server.url("portal")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    os.environ["PORTAL_VAR"] = os.path.join(os.environ[HERE], worker)
    os.environ["CELERY_BROKER_URL"] = "memory://"
    os.environ.setdefault("PORTAL_WEB", "1")
    os.environ.setdefault("SECRET_KEY", "tests-only-vR7kWmQ2xZ9pLfT4hJc8sBnD5yGaE3uXo6MtKqV1wPzH")


def pytest_itemcollected(item: pytest.Item) -> None:
    """What touches no database passes on any; tests of `live` reach theirs through servers of their own."""
    if "/live/" not in item.nodeid and not touches_database(item):
        item.add_marker("any_database")
    if is_full_on(item, item.config.getoption("--database")):
        item.add_marker("full")


def is_full_on(item: pytest.Item, database: str) -> bool:
    """Whether it is one of the long tests on that database. The nearest mark counts: a test may differ from its module.
    What runs on SQLite alone has no other database to be tested on."""
    mark = item.get_closest_marker("full_on")
    alone = database == "sqlite" and item.get_closest_marker("any_database") is not None
    return mark is not None and database in mark.args and not alone


def touches_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not {"db", "transactional_db"}.isdisjoint(fixtures)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _server.stop()
    if _own:
        shutil.rmtree(_own, ignore_errors=True)
