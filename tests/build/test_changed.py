"""Which tests are near to a change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from grimp import ImportGraph

from tests.build import changed


@pytest.fixture
def graph() -> ImportGraph:
    """`cells` is imported by a test, by `fixes`, and through that by two; no test imports `views`."""
    graph = ImportGraph()
    for importer, imported in [
        ("tests.test_cells", "batches.cells"),
        ("batches.fixes", "batches.cells"),
        ("tests.test_fixes", "batches.fixes"),
        ("tests.test_aside", "batches.fixes"),
        ("tests.test_aside", "batches.models"),
        ("batches.views", "batches.models"),
        ("tests.browser.test_fixes", "batches.fixes"),
    ]:
        graph.add_module(importer)
        graph.add_module(imported)
        graph.add_import(importer=importer, imported=imported)
    graph.add_module("tests.test_views_of_lists")
    return graph


def test_it_takes_the_nearest_first_and_of_equally_near_those_that_import_least(graph: ImportGraph) -> None:
    assert changed.nearest_tests(graph, ["batches.cells"]) == [
        "tests.test_cells",
        "tests.test_fixes",
        "tests.test_aside",
    ]


def test_it_takes_a_changed_test_itself(graph: ImportGraph) -> None:
    assert changed.nearest_tests(graph, ["tests.test_aside"]) == ["tests.test_aside"]


def test_it_goes_by_names_where_no_test_imports(graph: ImportGraph) -> None:
    assert changed.nearest_tests(graph, ["batches.views"]) == ["tests.test_views_of_lists"]


def test_it_takes_nothing_for_what_is_gone_or_no_module(graph: ImportGraph) -> None:
    assert changed.nearest_tests(graph, ["batches.removed", *changed.modules_of(["README.md"])]) == []


def test_it_takes_the_modules_that_name_a_template_through_others() -> None:
    modules = changed.modules_of(["templates/admin/errors/group/parts.html"])
    assert any("group" in module for module in modules)


def test_it_takes_the_tests_beside_a_conftest() -> None:
    assert "tests.live.test_hub" in changed.modules_of(["tests/live/conftest.py"])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(changed, "ROOT", tmp_path)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    git(tmp_path, "init", "-q", "-b", "main")
    for name in ("first.py", "second.py"):
        commit(tmp_path, name)
    return tmp_path


def git(place: Path, *arguments: str) -> None:
    who = ("-c", "user.name=tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=place, check=True, capture_output=True)


def commit(place: Path, name: str) -> None:
    (place / name).write_text(name)
    git(place, "add", name)
    git(place, "commit", "-q", "-m", name)


def test_it_takes_the_last_commit_where_nothing_else_changed(repository: Path) -> None:
    assert changed.changed_files() == ["second.py"]


def test_it_takes_a_branch_with_what_is_not_committed(repository: Path) -> None:
    git(repository, "switch", "-q", "-c", "branch")
    commit(repository, "third.py")
    (repository / "first.py").write_text("changed")
    (repository / "fourth.py").write_text("new")
    assert changed.changed_files() == ["first.py", "third.py", "fourth.py"]


def test_it_takes_nothing_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert changed.changed_files() == []
