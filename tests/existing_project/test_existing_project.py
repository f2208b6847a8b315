"""docs/existing-project.md is followed word by word, in a project that is years old, with what the wheel brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.distributions import build
from tests.helpers.documents import FILE, blocks_of
from tests.helpers.places import ROOT

pytestmark = pytest.mark.any_database
PAGE = ROOT / "docs" / "existing-project.md"
PROJECT = Path(__file__).parent / "project"


class Shop:
    """The project, with the page's blocks written into it, and the wheel's files on its path."""

    commands: list[list[str]]
    """The arguments of the page's own `manage.py` lines."""

    def __init__(self, directory: Path, packages: Path) -> None:
        self.directory = directory
        kept = ("PATH", "HOME", "LANG")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "PYTHONPATH": os.pathsep.join((str(directory), str(packages))),
            "SHOP_DIRECTORY": str(directory),
        }

    def manage(self, *arguments: str, text: str = "", code: int = 0, **more: str) -> str:
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.directory,
            env=self.environment | more,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    packages = build(tmp_path_factory.mktemp("wheel")).unpacked(tmp_path_factory.mktemp("packages"))
    project = Shop(shutil.copytree(PROJECT, tmp_path_factory.mktemp("shop") / "project"), packages)
    project.manage("makemigrations", "people", "-v0")
    for block in blocks_of(PAGE):
        if block.language == "python" and (file := FILE.match(block.text)):
            with (project.directory / file["path"]).open("a") as module:
                module.write(block.text)
        elif not block.language and block.text.startswith("python manage.py"):
            project.commands = [line.split()[2:] for line in block.text.splitlines()]
    return project


LOOK = """
import json
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from batches import operations
from batches.engine import runner
from errors.models import ErrorGroup
from people.models import Person

boss = Person.objects.create_superuser("boss@shop.example", "secret-pass-word")
helper = Person.objects.create_user("helper@shop.example", "secret-pass-word")
helper.user_permissions.set(Permission.objects.filter(codename__in=("view_batch", "operate_batch", "triage_error")))
client = Client(HTTP_HOST="localhost", raise_request_exception=False)
client.force_login(boss)
body = {"processor": "check_rows", "id": "b1", "params": {"schema": '{"required": ["sku"]}'}, "items": [{}, {"sku": 1}]}
stored = client.post("/ops/api/batches", body, content_type="application/json")
operations.start("b1")
runner.work_until_idle("b1")
group = ErrorGroup.objects.get()
address = f"/ops/api/batches/b1/errors/groups/{group.fingerprint}/assign"
assigned = client.post(address, {"user": "helper@shop.example"}, content_type="application/json")
group.refresh_from_db()
own = [
    reverse(f"admin:{name}", args=arguments)
    for name, *arguments in (
        ["batches_batch_changelist"],
        ["batches_batch_add"],
        ["batches_batch_new", "check_rows"],
        ["batches_batch_change", "b1"],
        ["errors_overview"],
        ["errors_desk", "b1"],
        ["errors_group", "b1", group.fingerprint],
    )
]
theirs = ["/admin/", "/admin/people/person/", "/office/", "/office/people/person/"]
pages = {address: client.get(address, follow=True) for address in own + theirs}
unknown = client.get("/ops/api/batches/nowhere")
print(json.dumps({
    "stored": [stored.status_code, stored.json().get("created_by")],
    "assigned": [assigned.status_code, group.assignee.email if group.assignee else None],
    "unknown": [unknown.status_code, unknown["Content-Type"]],
    "schema": client.get("/ops/api/schema").status_code,
    "own": {address: [pages[address].status_code, pages[address].content.decode()] for address in own},
    "theirs": {address: [pages[address].status_code, pages[address].content.decode()] for address in theirs},
}))
"""


@pytest.fixture(scope="module")
def seen(shop: Shop) -> dict[str, Any]:
    """What the project shows when the page's commands were run; the checks found nothing."""
    migrate, check = shop.commands
    shop.manage(*migrate, "-v0")
    assert "no issues" in shop.manage(*check)
    printed = shop.manage("shell", "-v0", "-c", LOOK).splitlines()
    return dict(json.loads(next(line for line in printed if line.startswith("{"))))


@pytest.mark.full
def test_it_takes_a_batch_from_somebody_without_a_user_name(seen: dict[str, Any]) -> None:
    assert seen["stored"] == [201, "boss@shop.example"]
    assert seen["assigned"] == [200, "helper@shop.example"]


@pytest.mark.full
def test_it_answers_rest_as_it_does_in_the_portal(seen: dict[str, Any]) -> None:
    assert seen["unknown"] == [404, "application/problem+json"]
    assert seen["schema"] == 200


@pytest.mark.full
def test_it_draws_its_pages_under_the_name_of_the_project(seen: dict[str, Any]) -> None:
    for address, (status, page) in seen["own"].items():
        assert status == 200, address
        assert page.count("/assets/portal/portal.css") == 1, address
        assert "The Shop Ltd." in page
        assert "Intranet" in page


@pytest.mark.full
def test_it_leaves_the_projects_own_pages_alone(seen: dict[str, Any]) -> None:
    for address, (status, page) in seen["theirs"].items():
        assert status == 200, address
        assert "portal.css" not in page, address
        assert "The Shop Ltd." in page


def test_it_refuses_a_project_without_time_zones(shop: Shop) -> None:
    assert "(batches.E010)" in shop.manage("check", code=1, SHOP_USE_TZ="0")
