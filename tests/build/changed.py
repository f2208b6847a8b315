"""The tests nearest to what changed, for `make quick`.

Changed is what differs from where the branch left main (on main itself: from the last commit, or from the one before).
A test module is as far away as the imports between it and a changed module; the nearest run first, of equally near ones
those that import least. After them come the tests whose names share words with a changed module: what is only met
through an address, as admin and views are, is imported by no test. A changed template stands for the modules that
name it, a conftest for the tests beside it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from grimp import ImportGraph, build_graph

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("batchportal", "batches", "errors", "tests")
ELSEWHERE = ("tests.browser", "tests.chaos")  # minutes long, or in need of a browser
FAR = 10  # as far as a test counts that only a name relates to the module, less a step for each shared word
MODULES, SECONDS = 30, 30  # at most so many test modules are collected, none of their tests begins later


def main() -> int:
    tests = nearest_tests(build_graph(*PACKAGES), modules_of(changed_files()))[:MODULES]
    if not tests:
        print("No test imports what changed.")
        return 0
    print(f"{len(tests)} test modules, the nearest first, for {SECONDS} s: {' '.join(tests)}", flush=True)
    files = [f"{name.replace('.', '/')}.py" for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not full", f"--seconds={SECONDS}", *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def nearest_tests(graph: ImportGraph, changed: Iterable[str]) -> list[str]:
    distances: dict[str, int] = {}
    for module in set(changed) & graph.modules:
        for test, distance in (named_alike(graph, module) | imported_by_tests(graph, module)).items():
            distances[test] = min(distance, distances.get(test, distance))
    return sorted(
        distances, key=lambda test: (distances[test], len(graph.find_modules_directly_imported_by(test)), test)
    )


def imported_by_tests(graph: ImportGraph, module: str) -> dict[str, int]:
    """The tests that import the module, itself or through others: over how many imports."""
    distances, front, steps = {module: 0}, {module}, 0
    while front:
        steps += 1
        importers = {importer for name in front for importer in graph.find_modules_that_directly_import(name)}
        front = importers - set(distances)
        distances |= dict.fromkeys(front, steps)
    return {name: distance for name, distance in distances.items() if is_test(name)}


def named_alike(graph: ImportGraph, module: str) -> dict[str, int]:
    """The tests whose names share words with the module; the more words, the nearer."""
    shared = {test: len(words(test) & words(module)) for test in graph.modules if is_test(test)}
    return {test: FAR - count for test, count in shared.items() if count}


def words(name: str) -> set[str]:
    parts = name.replace("_", ".").split(".")
    return {part.removesuffix("s") for part in parts} - {package.removesuffix("s") for package in PACKAGES} - {"test"}


def is_test(name: str) -> bool:
    return name.rpartition(".")[2].startswith("test_") and not name.startswith(ELSEWHERE)


def changed_files() -> list[str]:
    """Paths from the root, those that git does not have yet included."""
    base = (lines_of("git", "merge-base", "HEAD", "main") or ["HEAD"])[0]
    untracked = lines_of("git", "ls-files", "--others", "--exclude-standard")
    return lines_of("git", "diff", "--name-only", base) + untracked or lines_of("git", "diff", "--name-only", "HEAD~1")


def modules_of(files: Iterable[str]) -> set[str]:
    modules: set[str] = set()
    for path in map(Path, files):
        if path.name == "conftest.py":
            modules |= {module_of(test.relative_to(ROOT)) for test in (ROOT / path).parent.rglob("test_*.py")}
        elif path.suffix == ".py":
            modules.add(module_of(path))
        elif path.suffix == ".html" and "templates" in path.parts:
            modules |= naming(path)
    return modules


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def naming(template: Path) -> set[str]:
    """The modules that name a template, or one that includes or extends it; templates of one file name count alike."""
    texts = {path: path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    for place in (ROOT, *(ROOT / package for package in PACKAGES)):
        texts |= {path: path.read_text() for path in (place / "templates").rglob("*.html")}
    names, pending, modules = {template.name}, [template.name], set()
    while pending:
        mention = re.compile(rf"""["'/]{re.escape(pending.pop())}["']""")
        mentioning = {path for path, text in texts.items() if mention.search(text)}
        modules |= {module_of(path.relative_to(ROOT)) for path in mentioning if path.suffix == ".py"}
        more = {path.name for path in mentioning if path.suffix == ".html"} - names
        names |= more
        pending += more
    return modules


def lines_of(*command: str) -> list[str]:
    """What it prints; nothing where it fails, as git does in a tree that was copied without it."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
