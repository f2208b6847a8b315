"""What `manage.py batch` and `manage.py token` have in common: verbs, one clear line for each refusal, exit codes."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError

from batches.command_line import COMMAND_CHECKS, Screen, Verb
from batches.engine.database_errors import first_line, is_not_migrated
from batches.exceptions import BatchConflict, BatchError, InvalidInput, InvalidTransition, UnknownBatch
from batches.terminal.exit_codes import BROKE, OK, REFUSED

REFUSALS = (InvalidInput, UnknownBatch, BatchConflict, InvalidTransition, CommandError)
UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError)


class VerbsCommand(BaseCommand):
    """A command that is one of its verbs; it ends with the verb's exit code, or with that of its refusal."""

    requires_system_checks = (COMMAND_CHECKS,)

    def verbs(self) -> Mapping[str, Verb]:
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for name, verb in self.verbs().items():
            sub = commands.add_parser(name, help=verb.help, description=verb.help)
            sub.add_argument("--json", action="store_true", help="print one JSON document")
            if verb.takes_id:
                sub.add_argument("id", metavar="ID", help="the batch")
            verb.arguments(sub)

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Namespace(**options)
        screen = Screen(self.stdout, self.stderr, as_json=chosen.json)
        try:
            code = self.verbs()[chosen.command].run(chosen, screen)
            self.stdout.flush()
        except REFUSALS as error:
            code = self.refuse(error, REFUSED)
        except BatchError as error:
            code = self.refuse(error, BROKE)
        except AnyDatabaseError as error:
            code = self.refuse(CommandError(about_the_database(error)), BROKE)
        except BrokenPipeError:
            code = leave_quietly()
        except OSError as error:
            code = self.refuse(error, REFUSED if isinstance(error, UNREADABLE) else BROKE)
        sys.exit(code)

    def refuse(self, error: Exception, code: int) -> int:
        self.stderr.write(str(error).replace("\n", " "), self.style.ERROR)
        return code


def about_the_database(error: AnyDatabaseError) -> str:
    if is_not_migrated(error):
        return f"The database is not set up for this version: run manage.py migrate. ({first_line(error)})"
    return f"The database does not answer: {first_line(error)}"


def leave_quietly() -> int:
    """Whoever read the output has had enough; nothing more is written, also not at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return OK
