"""The desk in a terminal: verbs that triage adds to `manage.py batch`."""

from batches.command_line import Verb
from errors.terminal import export_command, report_text, triage_commands

VERBS = {
    "errors": Verb("What failed, what it has in common, and what to do about it.", report_text.show),
    "export": Verb(
        "What failed as a file: groups, errors, items, or the rows to correct.",
        export_command.run,
        export_command.arguments,
    ),
    "aside": Verb(
        "Set items aside: nothing runs or retries them until they are brought back.",
        triage_commands.quarantine,
        triage_commands.quarantine_arguments,
    ),
    "bring-back": Verb(
        "Bring back what was set aside, as it was.", triage_commands.release, triage_commands.release_arguments
    ),
    "plan": Verb(
        "The recovery plan: look at it, work it out, run it.", triage_commands.plan, triage_commands.plan_arguments
    ),
}
