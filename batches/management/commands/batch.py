"""`manage.py batch …`: every verb of the portal in a terminal. Exit codes: 0 all well, 1 finished with failed items,
2 usage or input refused, 3 halted, paused or cancelled, 4 it broke."""

from __future__ import annotations

from collections.abc import Mapping

from batches.command_line import Verb
from batches.terminal import all_verbs
from batches.terminal.verbs_command import VerbsCommand


class Command(VerbsCommand):
    help = "Run, watch and steer batches."

    def verbs(self) -> Mapping[str, Verb]:
        return all_verbs()
