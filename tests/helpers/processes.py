"""Processes on the test's database."""

from __future__ import annotations

import os
import subprocess

from django.db import connection

from tests.helpers.waiting import PATIENCE

IN_A_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
"""Begins a command in a PID namespace of its own, as a container's are."""


def may_unshare() -> bool:
    """Whether PID namespaces can be had here: by root, where the container allows it."""
    return (
        os.geteuid() == 0 and not subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, check=False).returncode
    )


def run_together(processes: list[subprocess.Popen[str]]) -> None:
    """Let all of them go at the moment in which the last one is ready; all must end well."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(said)


def database_url() -> str:
    """Of the database that the tests run on."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://postgres@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
