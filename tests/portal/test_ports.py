"""Ports that are told to a server before it listens stay its own until then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.places import ROOT
from tests.servers.ports import free_port

RESERVE = """
from tests.servers.ports import free_port
print(*(free_port() for _ in range(300)), flush=True)
input()
"""


@pytest.mark.full
def test_it_gives_no_port_twice_whoever_asks() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", RESERVE]
    processes = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    try:
        given = [int(port) for process in processes for port in process.stdout.readline().split()]
        given += [free_port() for _ in range(300)]
    finally:
        for process in processes:
            process.communicate("\n")
    assert len(given) == len(set(given)) == 1_200
