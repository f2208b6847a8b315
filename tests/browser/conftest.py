"""A whole portal for the browser: web and worker as real processes on a directory of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.build.browser import MISSING, browser_path
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"
ROLES = f"""
import django; django.setup()
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
for name in ("operator", "viewer"):
    user = get_user_model().objects.create_user(name, "", "{PASSWORD}", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
"""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


@dataclass
class Portal:
    url: str
    environment: dict[str, str]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    @contextmanager
    def background(self, *arguments: str) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


LONGEST_WAIT = 120_000
"""Milliseconds: for what a page is to show, and for what is to be done with it."""
expect.set_options(timeout=LONGEST_WAIT)


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    yield from served(tmp_path_factory.mktemp("portal"))


def served(var: Path, **more: str) -> Iterator[Portal]:
    """Set up, started, and ended afterwards."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    environment |= {"PORTAL_VAR": str(var), "PORT": str(port), **more}
    environment |= {"PORTAL_ADMIN_PASSWORD": PASSWORD, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
    environment["PYTHONPATH"] = str(ROOT)
    made = Portal(f"http://127.0.0.1:{port}", environment)
    assert made.manage("migrate", "-v0").returncode == 0
    subprocess.run([sys.executable, "-c", ROLES], cwd=ROOT, env=environment, check=True)
    modules = ("batchportal.web", "batchportal.worker")
    running = [subprocess.Popen([sys.executable, "-m", name], cwd=ROOT, env=environment) for name in modules]
    try:
        wait_for_answer(f"{made.url}/readyz", *running)
        yield made
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests are skipped, before a portal is started for them; under CI they fail."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if here and browser_path() is None and os.environ.get("CI") != "true":
        for item in here:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if browser_path() is None:
        pytest.fail(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def window(chromium: Any, **looks: Any) -> Any:
    """A browser's window of its own: no cookie of another one's, and patience."""
    context = chromium.new_context(**looks)
    context.set_default_timeout(LONGEST_WAIT)
    return context


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page whose console must stay clean: no error, no CSP violation."""
    context = window(chromium)
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    assert complaints == []
