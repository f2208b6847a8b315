"""What the documentation shows is run, as it stands, on a fresh database."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandParser

from batches.management.commands.batch import Command
from batches.terminal import all_verbs
from tests.helpers.documents import ROOT, Block, Project, blocks_of, commands_of, documents

pytestmark = pytest.mark.any_database
BLOCKS = [block for path in documents() for block in blocks_of(path)]
SHELL = ("", "console", "shell", "sh", "bash")
PROSE = ("text", "diff", "html", "http", "csv", "ini", "nginx", "mermaid", "yaml", "sql", "dockerfile", "makefile")
"""Languages of blocks that are read, and not run here."""
ELSEWHERE = ("curl", "git", "pip", "python3", "systemctl", "docker", "psql", "pg_dump", "pg_restore", "export", "kill")
"""Programs of shell blocks that need a server, a network or another machine: their syntax is checked."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.made(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    return template.copied(tmp_path)


def of(language: str, document: Path) -> list[Block]:
    return [block for block in blocks_of(document) if block.language == language]


def test_it_finds_the_documents_and_their_blocks() -> None:
    assert {"README.md"} <= {block.document for block in BLOCKS}
    assert any(block.language == "python" for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_knows_what_a_block_is(block: Block) -> None:
    assert block.language in ("python", "json", "toml", *SHELL, *PROSE)
    if block.language == "json":
        json.loads(block.text)
    if block.language == "toml":
        tomllib.loads(block.text)


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_it_runs_the_python_blocks_of_a_document(project: Project, document: Path) -> None:
    if blocks := of("python", document):
        project.run_python(blocks)


# -- shell blocks ------------------------------------------------------------------------------------------------------

COMMANDS = [(block, command) for block in BLOCKS if block.language in SHELL for command in commands_of(block)]
PLACEHOLDER = re.compile(r"[\[\]…|<>]|\b(?:ID|N|FP|C|KEY|ITEM|FILE|SECONDS|NAME)\b")


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=[f"{block} {text[:40]}" for block, text in COMMANDS])
def test_it_runs_the_commands_of_a_shell_block(project: Project, block: Block, command: str) -> None:
    words = command.split()
    manages = re.match(r"(?:python3? |\./)?manage\.py ", command)
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), f"make has no target {words[1]!r}"
    elif manages and PLACEHOLDER.search(command):
        check_synopsis(command[command.index("manage.py") :])
    elif manages:
        project.run(command, codes=(0, 1) if " batch " in command else (0,))
    elif block.language:
        assert words[0] in ELSEWHERE
        assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0


def check_synopsis(line: str) -> None:
    """Of a line with placeholders, every verb and every option is one that the command line has."""
    _, command, *rest = line.split(maxsplit=2)
    if command != "batch":
        return
    for alternative in rest[0].split(" | "):
        verb, *words = alternative.split()
        assert verb in all_verbs(), verb
        options = set(re.findall(r"--[a-z][a-z-]*", " ".join(words)))
        assert options <= options_of(verb), (verb, options - options_of(verb))


def options_of(verb: str) -> set[str]:
    parser: CommandParser = Command().create_parser("manage.py", "batch")
    (verbs,) = [action.choices for action in parser._actions if action.dest == "command"]
    chosen: Any = dict(verbs or {})[verb]
    return set(chosen._option_string_actions)


# -- the processor of the README ---------------------------------------------------------------------------------------

DOORS = """
import django; django.setup()
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from batches import operations
from batches.engine import runner
from batches.models import Item
from catalog.models import Product

Client.raise_request_exception = True
browser = Client(HTTP_HOST="localhost")
browser.force_login(User.objects.create_superuser("ana", "", "secret-pass-word"))

def prices(batch_id):
    operations.start(batch_id)
    runner.work_until_idle(batch_id)
    return [str(price) for price in Product.objects.order_by("sku").values_list("price", flat=True)]

rows = lambda: SimpleUploadedFile("rows.csv", b"sku\\nA\\nB\\n")
page = browser.post("/admin/batches/batch/add/catalog.reprice/", {"file": rows(), "id": "page", "params.percent": "10"})
assert page.status_code == 302, page.content
print(prices("page"))
body = {"processor": "catalog.reprice", "id": "json", "params": {"percent": "-50"}, "items": [{"sku": "A"}]}
rest = browser.post("/api/batches", body, content_type="application/json")
assert rest.status_code == 201, rest.content
print(prices("json"))
body = {"processor": "catalog.reprice", "id": "form", "params.percent": "12.5", "file": rows()}
rest = browser.post("/api/batches", body)
assert rest.status_code == 201, rest.content
print(prices("form"))
assert not Item.objects.exclude(status="SUCCEEDED").exists()
"""
PRODUCTS = """
import django; django.setup()
from catalog.models import Product
Product.objects.bulk_create([Product(sku="A", price="19.99"), Product(sku="B", price="20.00")])
"""


@pytest.mark.full
def test_it_runs_the_readmes_processor_through_every_door(project: Project) -> None:
    (block,) = [block for block in of("python", ROOT / "README.md") if "@processor(" in block.text]
    (project.directory / "catalog" / "processors.py").write_text(block.text)
    project.run("python -", text=PRODUCTS)
    assert project.run("python -", text=DOORS).splitlines() == [
        "['21.99', '22.00']",
        "['11.00', '22.00']",
        "['12.38', '24.75']",
    ]
    (project.directory / "rows.csv").write_text("sku\nA\nB\nX\n")
    command = "manage.py batch run catalog.reprice rows.csv --param percent=10 --key-column sku --id cli"
    project.run(command, codes=(1,))
    failures = json.loads(project.run("manage.py batch show cli --json"))["failures"]
    assert [(failure["key"], failure["code"]) for failure in failures] == [("X", "SKU_UNKNOWN")]
