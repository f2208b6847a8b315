"""What somebody who comes from elsewhere reads first is true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from tests.helpers.places import ROOT

FORGE = ROOT / ".github"
VIEWS = ("FROM pg_stat_activity", "FROM pg_locks")
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", sorted(FORGE.rglob("*.yml")), ids=lambda path: path.name)
def test_it_gives_the_forge_documents_that_it_can_read(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["name"]


def test_it_runs_on_the_forge_what_runs_everywhere() -> None:
    jobs = yaml.safe_load((FORGE / "workflows" / "ci.yml").read_text())["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert ".ci/run" in commands
    assert any("pip-audit" in command and "requirements.txt" in command for command in commands)


def test_it_checks_before_a_commit_what_make_lint_checks() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].split()[0] for hook in local["hooks"]}
    assert entries == {"ruff", "lint-imports", "mypy"}


@pytest.mark.full
def test_it_imports_no_test_module_from_another() -> None:
    imports = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in TESTS
        for name in imported(path)
        if name.rpartition(".")[2].startswith("test_") and name.startswith("tests.")
    }
    assert imports == set()


def imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.full
def test_it_looks_in_the_server_only_at_the_database_of_the_test() -> None:
    """Tests of another process run in the same server: ending or counting everybody's sessions fails some of them."""
    careless = {
        str(path.relative_to(ROOT))
        for path in TESTS
        for query in texts(path)
        if path != Path(__file__) and any(view in query for view in VIEWS) and "current_database()" not in query
    }
    assert careless == set()


def texts(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
