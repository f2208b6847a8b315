"""The documentation's code blocks, and a fresh project in which they are run as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.places import CATALOG

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```\s*?$", re.M | re.S)
FILE = re.compile(r"\A# (?P<path>[\w/]+\.py)\n")
"""A block that begins with a file's name is that file."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document; `line` is the first of its text."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Everything that is written for people who use or change the portal."""
    written = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in written if path.exists()]


def blocks_of(path: Path) -> Iterator[Block]:
    content = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    for fence in FENCE.finditer(content):
        indent = fence["indent"]
        text = "".join(line.removeprefix(indent) for line in fence["text"].splitlines(keepends=True))
        yield Block(name, content.count("\n", 0, fence.start()) + 2, fence["language"], text)


def commands_of(block: Block) -> list[str]:
    """Its lines without prompts, comments and what a command prints."""
    lines = block.text.replace("\\\n", " ").splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")] or lines
    stripped = [re.sub(r"(^|\s)#.*", "", line).strip() for line in typed]
    return [line for line in stripped if line]


# -- the project -------------------------------------------------------------------------------------------------------

SETTINGS = """from batchportal.settings import *
INSTALLED_APPS += ["catalog"]
"""
RUN_BLOCKS = """import json, sys, django
django.setup()
names = {"__name__": "__main__"}
for place, text in json.load(sys.stdin):
    exec(compile(text, place, "exec"), names)
"""
ROWS = "sku,price\nA,1\nB,2\n"


class Project:
    """A directory with an app `catalog`, a database that is migrated, and input files; commands run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")},
            "DJANGO_SETTINGS_MODULE": "shop_settings",
            "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}",
            "PATH": f"{directory}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PORTAL_VAR": str(directory / "var"),
            "LOG_LEVEL": "ERROR",
        }

    @classmethod
    def made(cls, directory: Path) -> Project:
        """A new one, without the processors, which the documents write; `copied` is quicker than a second."""
        shutil.copytree(CATALOG / "catalog", directory / "catalog", ignore=shutil.ignore_patterns("processors.py"))
        (directory / "shop_settings.py").write_text(SETTINGS)
        (directory / "rows.csv").write_text(ROWS)
        (directory / "schema.json").write_text(json.dumps({"required": ["sku", "price"]}))
        shutil.copy(ROOT / "manage.py", directory / "manage.py")
        project = cls(directory)
        project.run("python manage.py migrate --run-syncdb -v 0")
        return project

    def copied(self, directory: Path) -> Project:
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        return Project(directory)

    def run(self, command: str, codes: tuple[int, ...] = (0,), text: str = "") -> str:
        """What a shell command prints; it must end with one of these exit codes."""
        ended = subprocess.run(
            command, shell=True, cwd=self.directory, env=self.environment, input=text, capture_output=True, text=True
        )
        assert ended.returncode in codes, f"{command}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def run_python(self, blocks: list[Block]) -> None:
        """The blocks one after the other, as one program with the argument 60; those that are files are written."""
        for block in blocks:
            if file := FILE.match(block.text):
                path = self.directory / file["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
        program = [(str(block), "\n" * (block.line - 1) + block.text) for block in blocks if not FILE.match(block.text)]
        (self.directory / "run_blocks.py").write_text(RUN_BLOCKS)
        self.run("python run_blocks.py 60", text=json.dumps(program))
