"""Databases of their own on the server that the tests run on, and processes that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connection

from tests.helpers.places import ROOT


@contextmanager
def filled(place: Path, statements: str = "") -> Iterator[str]:
    """The url of a database that the statements have made."""
    if connection.vendor == "sqlite":
        import sqlite3

        file = place / "portal.sqlite3"
        with closing(sqlite3.connect(file)) as made:
            made.executescript(statements)
        yield f"sqlite:///{file}"
        return
    import psycopg2

    server, name = connection.settings_dict, f"another_{connection.settings_dict['NAME']}"
    address = {"host": server["HOST"], "port": server["PORT"], "user": server["USER"]}
    with closing(psycopg2.connect(**address, dbname="postgres")) as administration:
        administration.autocommit = True
        administration.cursor().execute(f'CREATE DATABASE "{name}"')
        try:
            if statements:
                with closing(psycopg2.connect(**address, dbname=name)) as made, made.cursor() as cursor:
                    cursor.execute(statements)
                    made.commit()
            yield f"postgres://{address['user']}@{address['host']}:{address['port']}/{name}"
        finally:
            administration.cursor().execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def python(database: str, var: Path, *arguments: str) -> str:
    """What a process of its own on that database prints."""
    environment = {**os.environ, "DATABASE_URL": database, "PORTAL_VAR": str(var), "LOG_LEVEL": "ERROR"}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
