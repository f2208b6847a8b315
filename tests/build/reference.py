"""Writes what is read off the code: `docs/settings.md`, `docs/command-line.md`, `docs/rest.md`. `make docs` runs it."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[2]
NOTE = "<!-- Written by `make docs`; change tests/build/reference.py or the code instead. -->"
SETTINGS: dict[str, tuple[str, str]] = {
    "DATABASE_URL": (
        "SQLite under `var/`",
        "PostgreSQL 14+ in production: `postgres://user:password@host/name`; add `?DISABLE_SERVER_SIDE_CURSORS=true` "
        "where a pooler such as PgBouncer gives each transaction another session",
    ),
    "CELERY_BROKER_URL": ("files under `var/`", "Redis, Valkey or RabbitMQ"),
    "REDIS_URL": (
        "none",
        "channel layer: hints that progress was made; without it web processes look four times a second",
    ),
    "SECRET_KEY": ("made once, `var/secret_key`", "the same for all processes; signing secrets are encrypted with it"),
    "SECRET_KEY_FALLBACKS": (
        "none",
        "earlier keys, comma separated; an hour after a change what they encrypted is encrypted with the new one",
    ),
    "DEBUG": ("off", "Django's own"),
    "ALLOWED_HOSTS": ("localhost", "hosts the portal answers as; `*` and `.` are refused unless `DEBUG` is on"),
    "CSRF_TRUSTED_ORIGINS": ("none", "origins that may post and open sockets: `https://portal.example.com`"),
    "HOST": ("127.0.0.1", "the address the web process listens at"),
    "PORT": ("8000", "its port"),
    "LOG_LEVEL": ("INFO for the engine, WARNING for the rest", "of what is written to the terminal"),
    "PORTAL_VAR": (
        "`var/` in a checkout; installed: `~/.local/state/batchportal`",
        "everything written at run time; installed, it is below `$XDG_STATE_HOME` where that is set, "
        "in `~/Library/Application Support` on macOS and `%LOCALAPPDATA%` on Windows",
    ),
    "PORTAL_ADMIN_PASSWORD": (
        "made and printed once",
        "the password of the user `admin` that `batchportal setup` creates; one that is short, common, or all digits "
        "is "
        "refused",
    ),
    "PORTAL_WEB": ("2; 1 where `DEBUG` is on", "web processes, which share the port"),
    "PORTAL_WORKERS": ("2", "processes of the worker"),
    "PORTAL_LEASE_SECONDS": (
        "60",
        "how long a silent worker keeps its lane; the idle-in-transaction limit is two thirds of it, the item timeout "
        "half, unless set",
    ),
    "PORTAL_IDLE_SECONDS": ("40", "after so many idle seconds PostgreSQL ends a session inside a transaction"),
    "PORTAL_ITEM_TIMEOUT": ("30", "seconds an item may take unless its processor or batch says otherwise"),
    "PORTAL_READ_SECONDS": (
        "20",
        "seconds that a statement of a page or a GET may take PostgreSQL; beyond that the answer is 503; 0: no limit",
    ),
    "PORTAL_MAX_UPLOAD_MB": ("50", "larger bodies are refused while they arrive"),
    "PORTAL_EXPORT_ROWS": (
        "200000",
        "longer exports are made by the worker, under `var/exports`, which web and worker share",
    ),
    "PORTAL_EXPORT_XLSX_ROWS": (
        "20000",
        "the same for workbooks, of which nothing can be sent before they are whole",
    ),
    "PORTAL_PROCESSORS": ("none", "modules that register processors, comma separated"),
    "PORTAL_APPS": (
        "none",
        "Django apps with tables of their own, comma separated; those installed with an entry point of the group "
        "`batchportal.apps` join by themselves",
    ),
    "PORTAL_URL": ("`http://127.0.0.1:8000`", "where people reach the portal: links in mails and webhooks"),
    "EMAIL_URL": ("files under `var/mail`", "`smtp+tls://user:password@host:587`"),
    "DEFAULT_FROM_EMAIL": ("`batchportal@localhost`", "the sender of mails"),
    "PORTAL_OUTBOUND_HOSTS": (
        "none",
        "hosts `http_request` and webhooks may call: `api.example.com`, `*.example.com`, `10.0.0.7:8080`",
    ),
    "PORTAL_SECRET_…": ("none", "what `${secret.…}` stands for in the headers of `http_request`"),
    "PORTAL_IMPORT_MODELS": (
        "none",
        "tables `import_rows` may write: `catalog.Product`; accounts and permissions field by field: `auth.User.email`",
    ),
    "PORTAL_QUOTAS": (
        "`{}`",
        "JSON: what all batches may use together of a quota that processors name, or of a processor's own name: "
        '`{"acme": {"concurrent": 4, "per_second": 10}}`, one of the two or both',
    ),
    "PORTAL_WORKER_MEMORY_MB": ("1024", "an item that needs more gets a `MemoryError`; 0: no limit"),
    "PORTAL_SOCKETS": ("2000", "open sockets of a web process; pages beyond that poll"),
    "PORTAL_SOCKETS_PER_USER": ("10", "the same for each account"),
    "PORTAL_REDACT": ("password, token, …", "keys whose values are masked everywhere"),
    "PORTAL_BEHIND_TLS": (
        "off",
        "secure cookies, HSTS and redirects, behind a proxy that sets `X-Forwarded-Proto`",
    ),
    "PORTAL_PROXIES": (
        "0; 1 with `PORTAL_BEHIND_TLS`",
        "proxies before the portal, each of which appends to `X-Forwarded-For` where a request came from; by that "
        "address "
        "callers are counted and put on record",
    ),
    "PORTAL_RATE_PER_CALLER": (
        "6000",
        "REST requests a minute of one token, or of one account by session; beyond that the answer is 429, with "
        "`Retry-After`; `RateLimit` says what is left; 0: no limit",
    ),
    "PORTAL_RATE_PER_ADDRESS": ("12000", "the same of one address (IPv6: its /64) over all who come from there"),
    "PORTAL_SIGN_IN_TRIES": (
        "10",
        "failed sign-ins of one name from one address before they rest; of one address over all names, and of wrong "
        "tokens, ten times as many",
    ),
    "PORTAL_COOL_OFF_MINUTES": (
        "15",
        "how long that rest is, from the first failure; who is signed in stays so, and the name may sign in from "
        "elsewhere",
    ),
    "PORTAL_ARCHIVE_AFTER_DAYS": (
        "0",
        "days after which a batch that has ended is archived, 0 for never; holds until somebody makes a rule on the "
        "page "
        "Retention. What failed, is unresolved, watched or at work stays",
    ),
    "PORTAL_DELETE_AFTER_DAYS": ("0", "the same for deleting it, archived or not"),
    "PORTAL_FORGET_DELETED_AFTER_DAYS": (
        "1095",
        "days for which the record of a batch that is gone stays, 0 for ever; after that its id may be used again",
    ),
}


def settings_read() -> set[str]:
    """The names that the code reads from the environment."""
    texts = [
        path.read_text() for package in ("batchportal", "batches", "errors") for path in (ROOT / package).rglob("*.py")
    ]
    return {name for text in texts for name in re.findall(r'\benv(?:iron\.get|\.\w+)\(\s*"([A-Z][A-Z_]+)"', text)}


def settings_page() -> str:
    rows = [f"| `{name}` | {default} | {meaning} |" for name, (default, meaning) in SETTINGS.items()]
    return "\n".join(
        [
            "# Settings",
            NOTE,
            "",
            "All of them come from the environment. A value that makes no sense ends the process at its start.",
            "",
            "| name | default | |",
            "| --- | --- | --- |",
            *rows,
            "",
            "On SQLite one lane of a batch runs at a time; on PostgreSQL as many as its `concurrency`.",
            "",
        ]
    )


def command_line_page() -> str:
    from batches.management.commands.batch import Command

    parser = Command().create_parser("manage.py", "batch")
    (verbs,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    parts = [part for name, verb in verbs.choices.items() for part in verb_part(name, verb)]
    return "\n".join(["# Command line", NOTE, "", *INTRODUCTION, *parts])


INTRODUCTION = [
    "`manage.py batch VERB …`. `--json` prints one JSON document. Exit codes: 0 all items succeeded or were skipped,",
    "1 finished with failed items, 2 usage or input refused, 3 halted, paused or cancelled, 4 it broke. The first",
    "Ctrl-C pauses, the second quits.",
    "",
]


def verb_part(name: str, verb: argparse.ArgumentParser) -> list[str]:
    arguments = [action for action in verb._actions if action.help != argparse.SUPPRESS and not django_s_own(action)]
    rows = [f"| `{spelling(action)}` | {meaning(action)} |" for action in arguments]
    table = ["", "| argument | |", "| --- | --- |", *rows] if rows else []
    return [f"## {name}", "", verb.description or "", *table, ""]


def django_s_own(action: argparse.Action) -> bool:
    return action.dest in ("help", "json")


def spelling(action: argparse.Action) -> str:
    value = action.metavar or ("\\|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    shown = " ".join(value) if isinstance(value, tuple) else str(value)
    if not action.option_strings:
        return shown.upper() if not action.choices else shown
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {shown}"


def meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%").replace("|", "\\|")
    default = action.default
    plain = default is None or default is argparse.SUPPRESS or default in (False, "", [], ())
    return text if plain or "%(default)s" in text else f"{text} (default: {default})"


def rest_page() -> str:
    from tests.build import rest_reference

    return rest_reference.rest_page(NOTE)


PAGES = {"docs/settings.md": settings_page, "docs/command-line.md": command_line_page, "docs/rest.md": rest_page}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
    django.setup()
    for name, page in PAGES.items():
        (ROOT / name).write_text(page())


if __name__ == "__main__":
    main()
