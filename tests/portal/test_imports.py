"""What a process imports before it needs it: seconds of every command, and memory of every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.utils.module_loading import import_string

from errors.extension import EXTENSION
from tests.helpers.places import ROOT

LOOK = """
import json, sys
import django
from django.core.checks import run_checks
from django.core.management import load_command_class

django.setup()
load_command_class("batches", "batch").create_parser("manage.py", "batch")
command = set(sys.modules)
run_checks(tags=["admin"])
checked = set(sys.modules)
import batchportal.server
import batchportal.asgi
from batches.engine import servers
servers.states()
web = set(sys.modules)
from celery import current_app
app = current_app.main

import OpenSSL.SSL
from autobahn.twisted.wamp import ApplicationSession

print(json.dumps({"command": sorted(command), "checked": sorted(checked), "web": sorted(web), "app": app}))
"""
PAGES = ("batches.admin", "batches.pages", "batches.urls", "errors.admin", "rest_framework.views")
NOT_FOR_SERVERS = ("OpenSSL", "autobahn.wamp.auth", "cryptography.hazmat", "twisted.protocols.tls")
ON_FIRST_USE = ("celery", "httpcore", "httpx", "jsonschema_rs", "numpy", "openpyxl", "xlsxwriter")
NOT_FOR_COMMANDS = (
    *ON_FIRST_USE,
    *PAGES,
    "charset_normalizer",
    "cryptography.fernet",
    "drf_spectacular.openapi",
    "rest_framework.fields",
    "rich",
)


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    """The modules of a command, of a check, and of a web process that has looked for its broker; and the name of its
    Celery app."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
    environment["CELERY_BROKER_URL"] = "filesystem://"
    command = [sys.executable, "-c", LOOK]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(ended.stdout))


@pytest.mark.any_database
def test_it_starts_a_command_without_pages(imported: dict[str, Any]) -> None:
    assert sorted(set(NOT_FOR_COMMANDS) & set(imported["command"])) == []


@pytest.mark.any_database
def test_it_serves_without_what_few_requests_need(imported: dict[str, Any]) -> None:
    assert sorted({*ON_FIRST_USE, *NOT_FOR_SERVERS, "rich"} & set(imported["web"])) == []


@pytest.mark.any_database
def test_it_has_the_portals_celery_app_once_there_is_celery(imported: dict[str, Any]) -> None:
    assert imported["app"] == "batchportal"


@pytest.mark.any_database
def test_it_checks_every_page(imported: dict[str, Any]) -> None:
    assert {"batches.admin", "errors.admin"} <= set(imported["checked"])


@pytest.mark.any_database
def test_it_has_the_pages_before_the_first_visitor_comes(imported: dict[str, Any]) -> None:
    assert set(PAGES) <= set(imported["web"])


@pytest.mark.any_database
@pytest.mark.parametrize("hook", ["item_failures", "confirm_retry"])
def test_it_finds_what_is_named_by_where_it_is(hook: str) -> None:
    assert callable(import_string(getattr(EXTENSION, hook).__qualname__))
