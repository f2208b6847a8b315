"""`batch retry` and `batch fix`: failed items once more, as they are or corrected."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from batches import operations
from batches.canary_sizes import suggested_canary
from batches.command_line import COMMAND_LINE, Screen, reason_argument
from batches.models import Retry
from batches.moments import moment
from batches.terminal.exit_codes import OK
from batches.terminal.file_options import file_arguments, file_options, opened
from batches.terminal.steering import budget_arguments, budget_of
from batches.wording import quantity_are


def canary_arguments(parser: ArgumentParser, **more: Any) -> None:
    canary = {"metavar": "N", "help": "N items first, the rest if they recover", **more}
    parser.add_argument("--canary", type=int, default=0, **canary)
    parser.add_argument(
        "--needed",
        type=int,
        metavar="N",
        help="so many of the canary must recover; by default, as leave hope for 20 %% of all",
    )


def retry_arguments(parser: ArgumentParser) -> None:
    canary_arguments(
        parser, nargs="?", const=None, help="N items first, the rest if they recover; without N as the page proposes"
    )
    parser.add_argument("--after", type=float, default=0, metavar="SECONDS", help="none of them runs earlier")
    budget_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--group", default="", metavar="FP", help="only those of one error group")
    which.add_argument(
        "--unexplained", action="store_true", help="only those set aside as killers of workers that lived on"
    )
    reason_argument(parser)


def retry(options: Namespace, screen: Screen) -> int:
    scope: dict[str, Any] = {"group": options.group} if options.group else {"all_failed": True}
    if options.unexplained:
        scope = {"unexplained": True}
    begun = operations.retry(
        options.id,
        actor=COMMAND_LINE,
        reason=options.reason,
        canary=options.canary,
        needed=options.needed,
        after=options.after,
        permanent=options.canary is not None or None,
        budget=budget_of(options),
        **scope,
    )
    document = {"batch_id": options.id, "retry": begun.number, "items": begun.items}
    screen.answer(document, [f"{options.id}: {retry_text(begun)}", *proposal(begun, options)])
    return OK


def proposal(begun: Retry, options: Namespace) -> list[str]:
    """What the page would have proposed, where all of many items go at once, and how they are stopped still."""
    first, needed = (0, 0) if begun.canary else suggested_canary(begun.items, expected_of(begun))
    if not first:
        return []
    which = f" --group {options.group}" if options.group else " --unexplained" if options.unexplained else ""
    return [
        f"All of them go at once; a page would propose that {first:,} go first, of which {needed:,} have to recover:",
        f"  manage.py batch retry {begun.batch_id}{which} --canary {first} --needed {needed}",
        f"To stop them now: manage.py batch pause {begun.batch_id}",
    ]


def expected_of(begun: Retry) -> float | None:
    """Items that are expected to recover; None while nobody knows. As `batch retry --canary` has it."""
    return (begun.predicted.get("mid") or 0) if begun.predicted else None


def retry_text(begun: Retry) -> str:
    first = f", {begun.canary:,} of them first" if begun.canary else ""
    first += f", not before {moment(begun.not_before)}" if begun.not_before else ""
    later = " once they are written down" if begun.state == Retry.State.PREPARING else ""
    return f"{quantity_are(begun.items, 'item')} tried again{first}{later} (retry {begun.number})."


def fix_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the export of kind fix, corrected; - is standard input")
    parser.add_argument("--dry-run", action="store_true", help="show the difference, change nothing")
    parser.add_argument("--leave-out", action="store_true", help="apply the others where rows are refused")
    parser.add_argument("--retry-unchanged", action="store_true", help="run the unchanged rows again, too")
    canary_arguments(parser)
    file_arguments(parser)
    parser.add_argument("--as-written", action="store_true", help="take cells in the form a spreadsheet gave them")
    reason_argument(parser)


def fix(options: Namespace, screen: Screen) -> int:
    from batches.rest import fix_documents  # with all of REST: not at every command's start

    document = fix_document(options)
    screen.answer(document, fix_documents.lines(document))
    return OK


def fix_document(options: Namespace) -> dict[str, Any]:
    from batches.rest import fix_documents  # as in `fix`

    with opened(options.file) as (file, filename):
        source: dict[str, Any] = {"file": file, "filename": filename, "file_options": file_options(options)}
        source["as_written"] = options.as_written
        if options.dry_run:
            return fix_documents.dry_run(options.id, **source, actor=COMMAND_LINE)
        names = ("leave_out", "retry_unchanged", "canary", "needed", "reason")
        chosen = {name: getattr(options, name) for name in names}
        return fix_documents.document(operations.correct(options.id, **source, actor=COMMAND_LINE, **chosen))
