"""The verbs of `manage.py batch`: this app's own, and those that other apps have added."""

from __future__ import annotations

from argparse import Namespace

from batches.reports import ACTS, REPORTS, Act, Report
from batches.terminal import looking, retrying, running, steering, watching
from batches.terminal.exit_codes import OK
from batches.terminal.screen import Screen
from batches.terminal.verbs import Verb, reason_argument

OWN: dict[str, Verb] = {
    "run": Verb(
        "Submit a file and run it here, with a progress bar.", running.run, running.run_arguments, takes_id=False
    ),
    "list": Verb("The newest batches.", looking.list_batches, looking.list_arguments, takes_id=False),
    "show": Verb("One batch, its counts and its failed items.", looking.show),
    "watch": Verb("Follow a batch that runs elsewhere.", watching.watch),
    "start": Verb("Let a submitted batch run.", steering.steer, reason_argument),
    "pause": Verb("Stop after the chunk in hand; resume goes on there.", steering.steer, reason_argument),
    "resume": Verb("Go on with the pending items.", steering.steer, reason_argument),
    "cancel": Verb("Stop for good after the chunk in hand.", steering.steer, reason_argument),
    "retry": Verb("Put failed items back and let the batch run.", retrying.retry, retrying.retry_arguments),
    "fix": Verb(
        "Correct failed items by a file of their rows, and retry these; all of it or nothing.",
        retrying.fix,
        retrying.fix_arguments,
    ),
    "adjust": Verb(
        "Change how a batch runs, also while it runs; `none` takes a limit away.",
        steering.adjust,
        steering.adjust_arguments,
    ),
    "rehearse": Verb(
        "Run what would run, and roll it back: the errors it would have.",
        running.rehearse,
        running.rehearse_arguments,
    ),
    "decide": Verb("Say what became of a call whose outcome is unknown.", steering.decide, steering.decide_arguments),
    "verify": Verb("Check every promise the portal makes about a batch.", looking.verify),
    "worker": Verb("Work until nothing is left to do, without Celery.", running.work, takes_id=False),
}


def all_verbs() -> dict[str, Verb]:
    """Name -> verb, in the order in which the help lists them."""
    reports = {name: verb_of_report(report) for name, report in REPORTS.items()}
    acts = {name: verb_of_act(act) for name, act in ACTS.items()}
    return {**OWN, **reports, **acts}


def verb_of_report(report: Report) -> Verb:
    def run(options: Namespace, screen: Screen) -> int:
        document = report.document(options.id)
        if screen.as_json:
            screen.document(document)
        else:
            screen.lines(list(report.lines(document)))
        return OK

    return Verb(report.help, run)


def verb_of_act(act: Act) -> Verb:
    return Verb(act.help, lambda options, screen: act.run(options, screen.out), act.arguments)
