"""A whole portal for the browser: web and worker as real processes on a directory of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.helpers.migrated import migrate
from tests.helpers.places import ROOT
from tests.helpers.waiting import PATIENCE, wait_for_answer
from tests.servers.commands import Commands
from tests.servers.ports import free_port

PASSWORD = "correct-horse-battery"
ROLES = f"""
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
for name in ("operator", "viewer"):
    user = get_user_model().objects.create_user(name, "", "{PASSWORD}", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
"""


@dataclass
class Portal:
    """A portal that is served, and its `manage.py`."""

    url: str
    environment: dict[str, str]

    @cached_property
    def commands(self) -> Commands:
        return Commands(self.environment)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run(arguments)

    @contextmanager
    def background(self, *arguments: str) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def served(var: Path, **more: str) -> Iterator[Portal]:
    """Set up, started, and ended afterwards."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    environment |= {"PORTAL_VAR": str(var), "PORT": str(port), **more}
    environment |= {"PORTAL_ADMIN_PASSWORD": PASSWORD, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
    environment["PYTHONPATH"] = str(ROOT)
    made = Portal(f"http://127.0.0.1:{port}", environment)
    migrate(var, environment)
    modules = ("batchportal.web", "batchportal.worker")
    running = [subprocess.Popen([sys.executable, "-m", name], cwd=ROOT, env=environment) for name in modules]
    try:
        roles = made.manage("shell", "--command", ROLES)
        assert roles.returncode == 0, roles.stderr
        wait_for_answer(f"{made.url}/readyz", *running)
        yield made
    finally:
        made.commands.close()
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(PATIENCE)
