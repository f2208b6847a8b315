"""`batchportal`, or `python -m batchportal`: the portal's verbs, and every command of `manage.py`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence

from django.core.management import execute_from_command_line
from honcho.printer import Printer

from batchportal import __version__
from batchportal.supervision import WORKERS_GRACE, Supervisor

USAGE = """batchportal setup [--sample]   migrate, make the user admin; with a batch to look at
batchportal web                the web process, at $HOST:$PORT
batchportal worker             the worker, which starts batches and what is due
batchportal run [--sample]     set up, then web and worker until Ctrl-C
batchportal COMMAND …          any command of Django's manage.py, as `batch list` or `createsuperuser`:
"""
PROCESSES = (("web",), ("worker", str(WORKERS_GRACE)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb or command; its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "batchportal.settings")
    verb, *options = list(sys.argv[1:] if arguments is None else arguments) or ["help"]
    if verb in VERBS:
        return VERBS[verb](options)
    if verb in ("help", "--help", "-h") and not options:
        print(USAGE)  # noqa: T201
    return manage([verb, *options])


def manage(arguments: Sequence[str]) -> int:
    execute_from_command_line(["batchportal", *arguments])
    return 0


def version(options: Sequence[str]) -> int:
    print(f"batchportal {__version__}")  # noqa: T201
    return 0


def setup(options: Sequence[str]) -> int:
    return manage(["portal_setup", *options])


def web(options: Sequence[str]) -> int:
    from batchportal.web import main as serve

    return serve() or 0


def worker(options: Sequence[str]) -> int:
    from batchportal.worker import Keeper

    return Keeper().run()


def run(options: Sequence[str]) -> int:
    """The processes of the Procfile, both with the PORT that was set: links in mails are made of it."""
    if code := subprocess.call([sys.executable, "-m", "batchportal", "setup", *options]):  # noqa: S603 - our own command
        return code
    print(f"\n  Portal      http://127.0.0.1:{os.environ.get('PORT', '8000')}/   (Ctrl-C stops it)\n", flush=True)  # noqa: T201
    manager = Supervisor(Printer(sys.stdout, colour=False))
    for name, *arguments in PROCESSES:
        manager.add_process(name, "exec " + shlex.join([sys.executable, "-m", f"batchportal.{name}", *arguments]))
    manager.loop()
    return int(manager.returncode or 0)


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "setup": setup,
    "web": web,
    "worker": worker,
    "run": run,
    "--version": version,
}

if __name__ == "__main__":
    sys.exit(main())
