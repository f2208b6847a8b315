"""Apps of others join by environment alone, and a broken one stops nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.helpers.places import CATALOG, ROOT

pytestmark = pytest.mark.any_database
BROKEN = {  # app: the module that breaks, and what stands in it
    "without_models": ("models", "import no_such_module"),
    "without_admin": ("admin", "from django.contrib import admin\nadmin.site.register(1 / 0)"),
    "without_processors": (
        "processors",
        "from batches.processors import processor\nprocessor('halfway')(print)\nraise SystemExit('no')",
    ),
    "without_tags": ("templatetags/tags", "import no_such_module"),
}
LOOK = """
import json
from django.contrib.auth import get_user_model
from django.test import Client
from batches import operations
from batches.engine import runner
from catalog.models import Product

Product.objects.create(sku="A", price="19.99")
operations.submit(processor="catalog.reprice", params={"percent": "10"}, items=[{"sku": "A"}], batch_id="b1")
operations.start("b1")
runner.work_until_idle("b1")
client = Client(HTTP_HOST="localhost")
client.force_login(get_user_model().objects.create_superuser("ana", "", "secret-pass-word"))
print(json.dumps({
    "price": str(Product.objects.get().price),
    "page": client.get("/admin/batches/batch/add/").content.decode(),
    "others": [client.get(address).status_code for address in ("/admin/", "/admin/catalog/product/")],
}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with apps that are broken."""
    place = tmp_path_factory.mktemp("plugins")
    for app, (module, text) in BROKEN.items():
        path = place / app / f"{module}.py"
        path.parent.mkdir(parents=True)
        for folder in {path.parent, place / app}:
            (folder / "__init__.py").touch()
        path.write_text(text)
    return place


@pytest.fixture(scope="module")
def environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "batchportal.settings",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, CATALOG, place))),
        "PORTAL_VAR": str(place / "var"),
        "PORTAL_APPS": ",".join(["nowhere", *BROKEN, "catalog"]),
        "PORTAL_PROCESSORS": "no_such_module",
    }


def run(place: Path, environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, *command]
    return subprocess.run(program, cwd=place, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def portal(place: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What a portal with broken apps and the catalog shows, once a batch of the catalog has run."""
    for command in (("migrate", "-v0"), ("shell", "-v0", "-c", LOOK)):
        ended = run(place, environment, str(ROOT / "manage.py"), *command)
        assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


@pytest.mark.full
def test_it_takes_in_an_app_with_models_beside_broken_ones(portal: dict[str, Any]) -> None:
    assert portal["price"] == "21.99"
    assert portal["others"] == [200, 200]


@pytest.mark.full
def test_it_says_on_the_page_of_processors_what_is_left_out(portal: dict[str, Any]) -> None:
    assert "without_tags (PORTAL_APPS) cannot be imported and is left out" in portal["page"]
    assert "catalog.reprice" in portal["page"]


@pytest.mark.full
def test_it_keeps_no_processor_of_a_module_that_breaks_halfway(portal: dict[str, Any]) -> None:
    assert "halfway" not in portal["page"]


@pytest.mark.full
def test_it_checks_which_plug_ins_are_broken_and_why(place: Path, environment: dict[str, str]) -> None:
    ended = run(place, environment, str(ROOT / "manage.py"), "check", "--fail-level", "WARNING")
    assert ended.returncode == 1
    assert ended.stderr.count("(batches.W010)") == len(BROKEN) + 2
    for name, source, error in (
        ("without_models", "PORTAL_APPS", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("without_processors", "PORTAL_APPS", "SystemExit: no"),
        ("no_such_module", "PORTAL_PROCESSORS", "ModuleNotFoundError"),
    ):
        assert f"The plug-in {name} ({source}) cannot be imported: {error}" in ended.stderr


@pytest.mark.full
def test_it_runs_the_tests_of_the_example(environment: dict[str, str]) -> None:
    alone = environment | {"PORTAL_APPS": "catalog", "PORTAL_PROCESSORS": ""}
    ended = run(CATALOG, alone, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 passed" in ended.stdout


def test_it_has_a_migration_for_every_table_of_the_example(db: None) -> None:
    call_command("makemigrations", "catalog", "--check", "--dry-run")
