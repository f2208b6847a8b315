"""What an index would get, and what somebody has who installs it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from batchportal import __version__
from tests.helpers.distributions import Distributions, Installation, build, install
from tests.helpers.places import ROOT, SAMPLE, SCHEMA
from tests.helpers.waiting import PATIENCE, wait_for_answer, wait_until
from tests.servers.ports import free_port

pytestmark = pytest.mark.any_database
WALK = ROOT / "tests" / "portal" / "walk.py"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    return build(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="module")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(distributions.wheel, tmp_path_factory.mktemp("installed"))


def below(folder: str, pattern: str = "*") -> set[str]:
    paths = (path for path in (ROOT / folder).rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_it_carries_all_code_and_every_page_style_and_sample(distributions: Distributions) -> None:
    code = {name for package in ("batchportal", "batches", "errors") for name in below(package, "*.py")}
    typed = {f"{package}/py.typed" for package in ("batchportal", "batches", "errors")}
    pages = {f"{owner_of(name)}/{name}" for name in below("templates")}
    assert distributions.names_in_wheel() == {
        *code,
        *typed,
        *pages,
        *(f"batches/{name}" for name in below("static")),
        *(f"batchportal/{name}" for name in below("samples")),
    }


def owner_of(template: str) -> str:
    """The package that brings it; the theme of the whole admin belongs to the portal alone."""
    *_, folder = template.removeprefix("templates/").removeprefix("admin/").rpartition("/")[0].split("/")[:1]
    return folder or "batchportal"


def test_it_names_one_version(distributions: Distributions) -> None:
    assert distributions.wheel.name == f"batchportal-{__version__}-py3-none-any.whl"
    assert distributions.sdist.name == f"batchportal-{__version__}.tar.gz"
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture
def portal(installed: Installation) -> Iterator[str]:
    """The address of `batchportal run --sample`, while it runs."""
    port = free_port()
    log = installed.place / "portal.log"
    command = [str(installed.programs / "batchportal"), "run", "--sample"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=installed.place,
            env=installed.environment(PORT=str(port)),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for_answer(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


@pytest.mark.full
def test_it_is_installed_and_runs_a_batch_and_draws_every_page(installed: Installation, portal: str) -> None:
    before = installed.files()
    rows = ["batch", "run", "check_rows", str(SAMPLE), "--param", f"schema=@{SCHEMA}", "--key-column", "iata"]
    installed.run("batchportal", *rows, "--id", "airports", codes=(1,))
    wait_until(
        lambda: json.loads(installed.run("batchportal", "batch", "show", "airports-sample", "--json"))["completed"]
    )
    answers = json.loads(installed.run("python", str(WALK)))
    assert {address: status for address, status in answers.items() if status >= 400} == {}
    assert {"/static/portal/portal.css", "/api/docs"} <= set(answers)
    assert {f"/admin/batches/batch/{batch}/change/" for batch in ("airports", "airports-sample")} & set(answers)
    assert len(answers) > 50
    assert installed.files() == before
