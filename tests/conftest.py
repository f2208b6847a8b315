"""Fixtures for all tests. `db` wraps a test in a transaction; what runs chunks needs real ones: `engine`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.helpers.places import ROOT
from tests.helpers.processes import database_url

# How long an example takes tells how busy the machine is.
hypothesis_settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("tests")


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """xdist's workers have a PORTAL_VAR each, so their SQLite files do not meet; PostgreSQL's get a suffix."""
    from django.conf import settings

    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_portal_{worker}"


@pytest.fixture(scope="session", autouse=True)
def quick_migrations() -> None:
    from pathlib import Path

    from django.db import connections

    from tests.servers.migrated_once import one_migration

    if "PYTEST_XDIST_WORKER" in os.environ:
        creation = type(connections["default"].creation)
        creation.create_test_db = one_migration(creation.create_test_db, Path(os.environ["PORTAL_TESTS_IN"]))


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> None:
    from django.test import TransactionTestCase

    from tests.servers.emptying import empty_tables

    TransactionTestCase._fixture_teardown = empty_tables


@pytest.fixture(scope="session", autouse=True)
def quick_sessions() -> None:
    from django.db import connections
    from django.test import TransactionTestCase

    from tests.servers.sessions import end_all, kept_first

    TransactionTestCase._should_reload_connections = end_all
    wrapper = type(connections["default"])
    if wrapper.vendor == "postgresql":
        wrapper.get_new_connection = kept_first(wrapper.get_new_connection)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    from tests.servers.sessions import close_kept

    yield
    close_kept()  # a database that has a session cannot be dropped


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """A password's hash is made to take a quarter of a second, which is longer than most tests."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> None:
    """Each test client loads the middleware anew, and WhiteNoise's looks through every app's static files."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    from tests.servers.static_files import listed_once

    WhiteNoiseMiddleware.add_files_from_finders = listed_once(WhiteNoiseMiddleware.add_files_from_finders)


@pytest.fixture(scope="session", autouse=True)
def updates_without_joins() -> None:
    from tests.servers.updates import refuse_joins

    refuse_joins()


@pytest.fixture(autouse=True)
def no_memory_of_other_tests() -> None:
    """Batches and callers of different tests have the same names, and a process remembers some."""
    from django.core.cache import cache

    from batches.access.allotments import allotments
    from batches.access.failures import forget_refused
    from batches.no_room import refusals

    cache.clear()
    allotments.clear()
    forget_refused()
    refusals.forget()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are due at once."""
    monkeypatch.setattr("batches.lanes.outcomes.BACKOFF_BASE", 0.001)


@pytest.fixture
def ten_minutes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker was heard of for so long that a batch that none can run has FAILED."""
    monkeypatch.setattr("batches.lanes.workers.REMEMBERED", timedelta(0))


@pytest.fixture
def engine(transactional_db: None) -> Iterator[None]:
    """Real transactions, as the runner needs them; the test processors are registered."""
    from django.db import connection

    import tests.processors  # noqa: F401
    from tests.servers.sessions import end

    yield
    end(connection)


@pytest.fixture
def in_process(engine: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a real second process on the test's database: its arguments are Python source and `sys.argv[1:]`; `inside`
    is the command that runs it, if any.

    It does not outlive the test.
    """
    environment = {
        "DATABASE_URL": database_url(),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        "PORTAL_PROCESSORS": "tests.processors",
    }

    def start(source: str, *arguments: str, inside: Sequence[str] = ()) -> subprocess.Popen[str]:
        prelude = "import django; django.setup()\n"
        process = started.enter_context(
            subprocess.Popen(
                [*inside, sys.executable, "-c", prelude + source, *arguments],
                env={**os.environ, **environment},
                cwd=ROOT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        started.callback(process.kill)
        return process

    with ExitStack() as started:
        yield start


@pytest.fixture
def user_of(db: None) -> Callable[[str], Any]:
    """A signed-up user by role: admin, operator, viewer, or charlie, who has no rights at all."""
    from importlib import import_module

    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.db import connection

    def make(role: str) -> Any:
        users = get_user_model().objects
        if role == "admin":
            return users.create_superuser("admin", "", "secret-pass-word")
        user = users.create_user(role, "", "secret-pass-word", is_staff=role != "charlie")
        if role in ("viewer", "operator"):
            if not Group.objects.filter(name=role).exists():  # a test with real transactions empties every table
                for app, migration in (("batches", "0003_roles"), ("errors", "0002_roles")):
                    if apps.is_installed(app):
                        roles = import_module(f"{app}.migrations.{migration}")
                        roles.create_roles(apps, connection.schema_editor())
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def hang() -> Iterator[Callable[[Any], None]]:
    """Hangs extensions into the engine until the test is over."""
    from batches.extensions import register, registered, unregister

    before = registered()

    yield register

    for extension in registered()[len(before) :]:
        unregister(extension)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers, for one test, a processor `test.with_params` of that form; again, as a deploy would replace it."""
    from batches import processors
    from tests.helpers.with_params import NAME

    def registered(form: Any, function: Any = None, **more: Any) -> None:
        does = function or (lambda payload, context: None)
        processor = processors.Processor(name=NAME, function=does, params=form, **more)
        monkeypatch.setitem(processors._registry, NAME, processor)

    return registered
