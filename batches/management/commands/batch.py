"""`manage.py batch …`: every verb of the portal in a terminal. Exit codes: 0 all well, 1 finished with failed items,
2 usage or input refused, 3 halted, paused or cancelled, 4 it broke."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from batches import operations, progress_tracker
from batches.engine import rehearsals, runner
from batches.exceptions import BatchConflict, BatchError, InvalidInput, InvalidTransition, UnknownBatch
from batches.models import Batch, Item
from batches.redaction import redact
from batches.reports import ACTS, COMMAND_LINE, REPORTS
from batches.rest import fix_documents

OK, WITH_ERRORS, REFUSED, STOPPED, BROKE = 0, 1, 2, 3, 4
ACTOR = COMMAND_LINE
VERBS = {
    "pause": "Stop after the chunk in hand; resume goes on there.",
    "resume": "Go on with the pending items.",
    "cancel": "Stop for good after the chunk in hand.",
    "start": "Let a submitted batch run.",
}


class Command(BaseCommand):
    help = "Run, watch and steer batches."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

        def add(name: str, text: str, *, batch: bool = True) -> ArgumentParser:
            sub = commands.add_parser(name, help=text, description=text)
            sub.add_argument("--json", action="store_true", help="print one JSON document")
            if batch:
                sub.add_argument("id", metavar="ID", help="the batch")
            return sub

        run = add("run", "Submit a file and run it here, with a progress bar.", batch=False)
        run.add_argument("processor", metavar="PROCESSOR")
        run.add_argument("file", metavar="FILE")
        run.add_argument("--id", default="", help="the batch's id; the same id and content is submitted once")
        run.add_argument("--name", default="")
        run.add_argument(
            "--param", action="append", default=[], metavar="K=V", help="K=@FILE reads the value from a file"
        )
        run.add_argument("--key-column", default="", help="the column that names a row")
        run.add_argument("--encoding", default="")
        run.add_argument("--concurrency", type=int)
        run.add_argument("--checkpoint-every", type=int, metavar="N")
        run.add_argument("--max-attempts", type=int, metavar="N")
        run.add_argument("--item-timeout", type=float, metavar="SECONDS")
        run.add_argument("--max-errors", type=int, metavar="N")
        run.add_argument("--max-error-rate", type=float, metavar="PERCENT")
        run.add_argument("--rate", type=float, metavar="ITEMS_PER_SECOND")
        run.add_argument("--rehearse", action="store_true", help="run everything and roll it back: what would happen?")
        run.add_argument("--sample", type=int, metavar="N", help="rehearse N items, chosen at random")
        run.add_argument("--detach", action="store_true", help="leave the running to the portal's worker")
        listing = add("list", "The newest batches.", batch=False)
        listing.add_argument("--status", choices=[status.lower() for status in Batch.Status.values])
        listing.add_argument("--limit", type=int, default=50)
        add("show", "One batch, its counts and its failed items.")
        add("watch", "Follow a batch that runs elsewhere.")
        for verb, text in VERBS.items():
            add(verb, text).add_argument("--reason", default="")
        retry = add("retry", "Put failed items back and let the batch run.")
        retry.add_argument("--canary", type=int, default=0, metavar="N", help="N items first, the rest if they recover")
        retry.add_argument("--needed", type=int, metavar="N", help="so many of the canary must recover; 1 unless told")
        retry.add_argument("--after", type=float, default=0, metavar="SECONDS", help="none of them runs earlier")
        retry.add_argument("--group", default="", metavar="FP", help="only those of one error group")
        retry.add_argument("--reason", default="")
        fix = add("fix", "Correct failed items by a file of their rows, and retry these; all of it or nothing.")
        fix.add_argument("file", metavar="FILE", help="the export of kind fix, corrected")
        fix.add_argument("--dry-run", action="store_true", help="show the difference, change nothing")
        fix.add_argument("--leave-out", action="store_true", help="apply the others where rows are refused")
        fix.add_argument("--retry-unchanged", action="store_true", help="run the unchanged rows again, too")
        fix.add_argument("--canary", type=int, default=0, metavar="N", help="N items first, the rest if they recover")
        fix.add_argument("--needed", type=int, metavar="N", help="so many of the canary must recover; 1 unless told")
        fix.add_argument("--encoding", default="")
        fix.add_argument("--reason", default="")
        adjust = add("adjust", "Change how a batch runs, also while it runs; `none` takes a limit away.")
        for name in operations.ADJUSTABLE:
            adjust.add_argument(f"--{name.replace('_', '-')}", metavar="N")
        adjust.add_argument("--reason", default="")
        rehearse = add("rehearse", "Run what would run, and roll it back: the errors it would have.")
        rehearse.add_argument("--sample", type=int, metavar="N", help="N items, chosen at random")
        decide = add("decide", "Say what became of a call whose outcome is unknown.")
        decide.add_argument("item", metavar="ITEM_KEY")
        decide.add_argument("outcome", choices=sorted(operations.DECISIONS))
        decide.add_argument("--reason", default="")
        add("verify", "Check every promise the portal makes about a batch.")
        for name, report in REPORTS.items():
            add(name, report.help)
        for name, act in ACTS.items():
            act.arguments(add(name, act.help))
        add("worker", "Work until nothing is left to do, without Celery.", batch=False)

    def handle(self, *args: Any, **options: Any) -> None:
        asked = Namespace(**options)
        try:
            code = self.do(asked)
            self.stdout.flush()
        except (InvalidInput, UnknownBatch, BatchConflict, InvalidTransition, CommandError) as error:
            code = self.refuse(error, REFUSED)
        except BatchError as error:
            code = self.refuse(error, BROKE)
        except AnyDatabaseError as error:
            code = self.refuse(CommandError(f"The database does not answer: {runner.one_line(error)}"), BROKE)
        except BrokenPipeError:
            code = leave_quietly()
        except OSError as error:
            code = self.refuse(
                error, REFUSED if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)) else BROKE
            )
        sys.exit(code)

    def do(self, asked: Namespace) -> int:
        if asked.command in ACTS:
            return ACTS[asked.command].run(asked, self.stdout)
        if asked.command in REPORTS:
            return self.report(asked)
        code: int = getattr(self, f"do_{asked.command}")(asked)
        return code

    def refuse(self, error: Exception, code: int) -> int:
        self.stderr.write(str(error).replace("\n", " "), self.style.ERROR)
        return code

    def show_json(self, document: Any) -> None:
        self.stdout.write(json.dumps(document, ensure_ascii=False, default=str))

    # -- run and watch

    def do_rehearse(self, asked: Namespace) -> int:
        operations.get_batch(asked.id)
        return self.rehearse(asked, asked.id)

    def rehearse(self, asked: Namespace, batch_id: str) -> int:
        made = operations.rehearse(batch_id, sample=asked.sample, actor=ACTOR, wake=False)
        while rehearsals.work(made.pk):
            pass
        report = operations.get_rehearsal(batch_id, made.number).to_dict()
        if asked.json:
            self.show_json(report)
            return WITH_ERRORS if report["failed"] else OK
        self.stdout.write(
            f"{batch_id}: rehearsed {report['done']:,} of {report['items']:,} items, {report['failed']:,} would fail. "
            "Nothing was changed."
        )
        for group in report["groups"][:20]:
            self.stdout.write(f"  {group['count']:>9,}  {group['code']}: {group['title'][:160]}")
        batch = operations.get_batch(batch_id)
        if batch.status == Batch.Status.PENDING:
            self.stdout.write(f"To run it: manage.py batch start {batch_id}, or batch run with --id {batch_id}")
        return WITH_ERRORS if report["failed"] else OK

    def do_run(self, asked: Namespace) -> int:
        with Path(asked.file).open("rb") as file:
            made = operations.submit(
                processor=asked.processor,
                params=params_of(asked.param),
                file=file,
                filename=Path(asked.file).name,
                batch_id=asked.id,
                name=asked.name,
                key_column=asked.key_column,
                encoding=asked.encoding,
                concurrency=asked.concurrency,
                checkpoint_every=asked.checkpoint_every,
                max_attempts=asked.max_attempts,
                item_timeout=asked.item_timeout,
                max_errors=asked.max_errors,
                max_error_rate=asked.max_error_rate,
                rate=asked.rate,
                actor=ACTOR,
            )
        batch = made.batch
        if asked.rehearse:
            return self.rehearse(asked, batch.pk)
        if batch.status == Batch.Status.PENDING:
            operations.start(batch.pk, actor=ACTOR)
        if asked.detach:
            return self.tell(asked, batch.pk, f"{batch.pk}: {batch.total_items:,} items queued.", exit_code=OK)
        if not made.created:
            self.stderr.write(f"{batch.pk} was submitted before with the same content; going on with it.")
        return self.run_here(asked, batch.pk)

    def run_here(self, asked: Namespace, batch_id: str) -> int:
        stop = PauseOnInterrupt(batch_id, self.stderr.write)
        with stop, bar(asked, batch_id) as update:
            runner.work_until_idle(batch_id, should_stop=stop.is_set, on_chunk=update)
            update(True)
        return self.finish(asked, batch_id)

    def do_watch(self, asked: Namespace) -> int:
        operations.get_batch(asked.id)
        try:
            with bar(asked, asked.id) as update:
                while self.patiently(lambda: operations.get_batch(asked.id).status in Batch.ACTIVE):
                    self.patiently(update)
                    time.sleep(0.25)
                self.patiently(lambda: update(True))
        except KeyboardInterrupt:
            self.stderr.write(f"No longer watching {asked.id}; it goes on.")
            return STOPPED
        return self.finish(asked, asked.id)

    def patiently(self, question: Callable[[], Any]) -> Any:
        """The database's answer, however long it is away."""
        away = False
        while True:
            try:
                return question()
            except AnyDatabaseError as error:
                if not away:
                    self.stderr.write(f"The database is away, still watching: {runner.one_line(error)}")
                away = True
                connection.close()
                time.sleep(1)

    def finish(self, asked: Namespace, batch_id: str) -> int:
        batch = operations.get_batch(batch_id)
        progress = progress_tracker.get_progress(batch_id)
        failed = progress.failed + progress.quarantined
        done = f"{progress.done:,} of {progress.total_items:,} done"
        words = f"{batch_id}: {done}, {failed:,} failed. {batch.get_status_display()}."
        if batch.reason and batch.status in (Batch.Status.HALTED, Batch.Status.FAILED):
            words += f" {batch.reason}"
        if batch.status in (Batch.Status.PAUSED, Batch.Status.PAUSING, Batch.Status.HALTED):
            words += f"\nTo go on: manage.py batch resume {batch_id}"
        return self.tell(asked, batch_id, words, exit_code=exit_code_of(batch, failed))

    def tell(self, asked: Namespace, batch_id: str, words: str, *, exit_code: int) -> int:
        if asked.json:
            self.show_json(progress_tracker.get_progress(batch_id).to_dict())
        else:
            self.stdout.write(words)
        return exit_code

    def do_worker(self, asked: Namespace) -> int:
        runner.work_until_idle()
        if asked.json:
            self.show_json({"idle": True})
        return OK

    # -- look

    def do_list(self, asked: Namespace) -> int:
        batches = Batch.objects.all()
        if asked.status:
            batches = batches.filter(status=asked.status.upper())
        listed = list(batches[: max(0, asked.limit)])
        progress = progress_tracker.progress_of(listed)
        if asked.json:
            self.show_json([progress[batch.pk].to_dict() | {"name": batch.name} for batch in listed])
            return OK
        for batch in listed:
            found = progress[batch.pk]
            failed = found.failed + found.quarantined
            self.stdout.write(
                f"{batch.pk:<40} {batch.status.lower():<10} {found.done_percent:>5} %  "
                f"{found.done:>9,} of {found.total_items:,}  {failed:,} failed"
            )
        if not listed:
            self.stdout.write("There are no batches.")
        return OK

    def do_show(self, asked: Namespace) -> int:
        batch = operations.get_batch(asked.id)
        progress = progress_tracker.get_progress(batch.pk)
        failed = Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position")[:20]
        if asked.json:
            rows = [
                {
                    "key": i.key,
                    "position": i.position,
                    "code": i.code,
                    "message": i.message,
                    "payload": redact(i.payload),
                }
                for i in failed
            ]
            legal = operations.legal_verbs(batch)
            self.show_json(
                progress.to_dict()
                | {"name": batch.name, "reason": batch.reason, "legal_verbs": legal, "failures": rows}
            )
            return OK
        self.stdout.write(f"{batch.pk}  {batch.get_status_display()}  {batch.reason or batch.sentence}")
        self.stdout.write(f"{progress.done:,} of {progress.total_items:,} done, {progress.remaining:,} to go:")
        for name in ("completed", "failed", "skipped", "quarantined"):
            self.stdout.write(f"  {getattr(progress, name):>9,} {name}")
        for item in failed:
            self.stdout.write(f"  {item.key}: {item.code}: {item.message[:160]}")
        return OK

    def report(self, asked: Namespace) -> int:
        """What another app has to say about the batch."""
        known = REPORTS[asked.command]
        document = known.document(asked.id)
        if asked.json:
            self.show_json(document)
        else:
            self.stdout.write("\n".join(known.lines(document)))
        return OK

    def do_verify(self, asked: Namespace) -> int:
        broken = operations.verify(asked.id)
        if asked.json:
            self.show_json({"batch_id": asked.id, "ok": not broken, "broken": broken})
        else:
            self.stdout.write("\n".join(broken) or f"{asked.id}: every promise holds.")
        return WITH_ERRORS if broken else OK

    # -- act

    def do_start(self, asked: Namespace) -> int:
        return self.act(asked, operations.start)

    def do_pause(self, asked: Namespace) -> int:
        return self.act(asked, operations.pause)

    def do_resume(self, asked: Namespace) -> int:
        return self.act(asked, operations.resume)

    def do_cancel(self, asked: Namespace) -> int:
        return self.act(asked, operations.cancel)

    def act(self, asked: Namespace, verb: Callable[..., Batch]) -> int:
        batch = verb(asked.id, actor=ACTOR, reason=asked.reason)
        return self.tell(asked, batch.pk, f"{batch.pk}: {batch.get_status_display()}.", exit_code=OK)

    def do_adjust(self, asked: Namespace) -> int:
        given = {name: getattr(asked, name) for name in operations.ADJUSTABLE if getattr(asked, name) is not None}
        changes = {name: number_of(name, text) for name, text in given.items()}
        batch = operations.adjust(asked.id, actor=ACTOR, reason=asked.reason, **changes)
        said = ", ".join(f"{name} {getattr(batch, name)}" for name in changes)
        return self.tell(asked, asked.id, f"{asked.id}: {said}.", exit_code=OK)

    def do_decide(self, asked: Namespace) -> int:
        item = operations.decide(asked.id, asked.item, asked.outcome, actor=ACTOR, reason=asked.reason)
        return self.tell(asked, asked.id, f"{asked.id}: item {item.key}: {item.status.lower()}.", exit_code=OK)

    def do_retry(self, asked: Namespace) -> int:
        scope: dict[str, Any] = {"group": asked.group} if asked.group else {"all_failed": True}
        careful: dict[str, Any] = {"canary": asked.canary, "needed": asked.needed, "permanent": True}
        careful["after"] = asked.after
        made = operations.retry(asked.id, actor=ACTOR, reason=asked.reason, **careful, **scope)
        if asked.json:
            self.show_json({"batch_id": asked.id, "retry": made.number, "items": made.items})
        else:
            first = f", {made.canary:,} of them first" if made.canary else ""
            first += f", not before {made.not_before:%H:%M:%S} UTC" if made.not_before else ""
            later = " once they are written down" if made.state == made.State.PREPARING else ""
            self.stdout.write(f"{asked.id}: {made.items:,} items are tried again{first}{later} (retry {made.number}).")
        return OK

    def do_fix(self, asked: Namespace) -> int:
        with Path(asked.file).open("rb") as file:
            source = {"file": file, "filename": Path(asked.file).name, "encoding": asked.encoding, "actor": ACTOR}
            if asked.dry_run:
                said = fix_documents.dry_run(asked.id, **source)
            else:
                names = ("leave_out", "retry_unchanged", "canary", "needed", "reason")
                options = {name: getattr(asked, name) for name in names}
                said = fix_documents.document(operations.correct(asked.id, **source, **options))
        if asked.json:
            self.show_json(said)
        else:
            self.stdout.write("\n".join(fix_documents.lines(said)))
        return OK


def leave_quietly() -> int:
    """Whoever read our words has had enough; nothing more is said, also not at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return OK


def exit_code_of(batch: Batch, failed: int) -> int:
    if batch.status == Batch.Status.COMPLETED:
        return WITH_ERRORS if failed else OK
    return BROKE if batch.status == Batch.Status.FAILED else STOPPED


def number_of(name: str, text: str) -> int | float | None:
    """A limit as it was typed; `none` is no limit."""
    if text.lower() == "none":
        return None
    try:
        return float(text) if "." in text or name in ("rate", "item_timeout", "max_error_rate") else int(text)
    except ValueError:
        raise InvalidInput(f"--{name.replace('_', '-')} {text!r}: write a number, or none.") from None


def params_of(pairs: list[str]) -> dict[str, str]:
    """`k=v` as is, `k=@file` as the file's text."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--param {pair!r}: write it as name=value, or name=@file.")
        try:
            found[name] = Path(value[1:]).read_text(encoding="utf-8-sig") if value.startswith("@") else value
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"--param {name}: {value[1:]} cannot be read: {error}.") from None
    return found


class PauseOnInterrupt:
    """The first Ctrl-C asks for a pause and lets the chunk in hand commit; the second quits."""

    def __init__(self, batch_id: str, say: Callable[[str], Any]) -> None:
        self.batch_id, self.say, self.asked = batch_id, say, False

    def __enter__(self) -> PauseOnInterrupt:
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *raised: object) -> None:
        signal.signal(signal.SIGINT, self.before)
        if self.asked:
            try:
                operations.pause(self.batch_id, actor=ACTOR, reason="Ctrl-C")
            except InvalidTransition:
                pass  # it came to rest by itself

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self.asked:
            sys.exit(STOPPED)
        self.asked = True
        self.say("Pausing after the chunk in hand; Ctrl-C again to quit at once.")

    def is_set(self) -> bool:
        return self.asked


class bar:  # noqa: N801 - used as a function
    """A live progress bar on stderr, read from the database at most four times a second; silent with --json."""

    def __init__(self, asked: Namespace, batch_id: str) -> None:
        self.batch_id, self.shown_at, self.silent = batch_id, 0.0, asked.json
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
        self.progress = Progress(*columns, console=Console(stderr=True), transient=False, disable=asked.json)

    def __enter__(self) -> Callable[..., None]:
        self.progress.start()
        self.task = self.progress.add_task(self.batch_id, total=None, words="")
        return self.update

    def __exit__(self, *raised: object) -> None:
        self.progress.stop()

    def update(self, force: bool = False) -> None:
        if self.silent or (time.monotonic() - self.shown_at < 0.25 and not force):
            return
        self.shown_at = time.monotonic()
        found = progress_tracker.get_progress(self.batch_id)
        failed = found.failed + found.quarantined
        speed = f"  {found.recent_velocity:,.0f}/s" if found.recent_velocity else ""
        left = f"  {found.eta_human} left" if found.eta_human else ""
        words = f"{found.done_percent} %  {found.done:,}/{found.total_items:,}{speed}{left}  {failed:,} failed"
        self.progress.update(self.task, total=found.total_items or 1, completed=found.done, words=words)
