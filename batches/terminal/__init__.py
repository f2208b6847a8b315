"""The verbs of `manage.py batch`: this app's own, and those that other apps have added."""

from __future__ import annotations

from batches.command_line import Verb, reason_argument
from batches.extensions import joined
from batches.terminal import looking, pausing, removing, retrying, running, steering, watching

OWN: dict[str, Verb] = {
    "run": Verb(
        "Submit a file and run it here, with a progress bar.", running.run, running.run_arguments, takes_id=False
    ),
    "run-again": Verb(
        "Run the same rows again, as a new batch that says which it follows.",
        running.run_again,
        running.run_again_arguments,
    ),
    "list": Verb("The newest batches.", looking.list_batches, looking.list_arguments, takes_id=False),
    "show": Verb("One batch, its counts and its failed items.", looking.show),
    "watch": Verb("Follow a batch that runs elsewhere.", watching.watch),
    "start": Verb("Let a submitted batch run.", steering.steer, reason_argument),
    "pause": Verb("Stop after the chunk in hand; resume goes on there.", steering.steer, reason_argument),
    "resume": Verb("Go on with the pending items.", steering.resume, steering.resume_arguments),
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
    "give-up": Verb("Fail the items that wait for their next try.", steering.give_up, reason_argument),
    "rehearse": Verb(
        "Run what would run, and roll it back: the errors it would have.",
        running.rehearse,
        running.rehearse_arguments,
    ),
    "decide": Verb("Say what became of a call whose outcome is unknown.", steering.decide, steering.decide_arguments),
    "verify": Verb("Check every promise the portal makes about a batch.", looking.verify),
    "archive": Verb(
        "Remove a batch's items and errors, and keep a summary; it must have ended.",
        removing.remove,
        removing.remove_arguments,
    ),
    "delete": Verb(
        "Remove a batch at rest with all that belongs to it; a line of the record stays.",
        removing.remove,
        removing.remove_arguments,
    ),
    "pause-all": Verb(
        "Pause everything: no worker takes an item of any batch.",
        pausing.pause_all,
        pausing.pause_arguments,
        takes_id=False,
    ),
    "lift": Verb(
        "Lift the pause of everything; what was paused by hand stays paused.",
        pausing.lift,
        reason_argument,
        takes_id=False,
    ),
    "worker": Verb("Work until nothing is left to do, without Celery.", running.work, takes_id=False),
}


def all_verbs() -> dict[str, Verb]:
    """Name -> verb, in the order in which the help lists them."""
    return joined(OWN, lambda extension: extension.verbs)
