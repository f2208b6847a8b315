"""`manage.py` of one environment, kept warm: Django is loaded once, and each command runs in a fork of that process.

To load it takes longer than most commands. `python -m tests.servers.commands` reads a command's arguments as a line of
JSON, and answers with its exit code, its output and its errors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from typing import IO

from tests.helpers.places import ROOT


class Commands:
    """The process that waits for commands; it has to be ended with `close`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command, pipe = [sys.executable, "-m", "tests.servers.commands"], subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdin=pipe, stdout=pipe)

    def run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        code, output, errors = json.loads(self.process.stdout.readline())
        return subprocess.CompletedProcess(["manage.py", *arguments], code, output, errors)

    def close(self) -> None:
        self.process.communicate()


def serve() -> None:
    import django

    django.setup()
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                in_child(["manage.py", *json.loads(line)], output, errors)
            _, status = os.waitpid(child, 0)
            texts = [written(file) for file in (output, errors)]
        print(json.dumps([os.waitstatus_to_exitcode(status), *texts]), flush=True)


def in_child(arguments: Sequence[str], output: IO[bytes], errors: IO[bytes]) -> None:
    """The command, in place of this process: it never comes back."""
    from django.core.management import execute_from_command_line

    with open(os.devnull) as nothing:
        for descriptor, number in enumerate((nothing.fileno(), output.fileno(), errors.fileno())):
            os.dup2(number, descriptor)
    code: object = 1
    try:
        execute_from_command_line(list(arguments))
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    serve()
