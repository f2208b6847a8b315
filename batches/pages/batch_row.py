"""A row of the batch list, as HTML: a page has fifty, for which a template would take longer than for all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batches import operations
from batches.addresses import address
from batches.engine.waiting_reasons import Standing, WaitingReasons
from batches.extensions import registered
from batches.models import Batch
from batches.pages.batch_text import eta, speed
from batches.pages.item_list import items_url
from batches.pages.markup import standing_pill
from batches.pages.progress_bar import ProgressBar, progress_bar
from batches.progress_text import is_overdue, removal_sentence, standing_of, waits_because
from batches.progress_tracker import Progress
from batches.templatetags.moments import moment

UNCONFIRMED_VERBS = ("start", "pause", "resume")
"""Verbs that need no confirmation, and have a button in the list."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch of the list; `verbs` are those that are legal now for who looks at it."""

    batch: Batch
    progress: Progress
    bar: ProgressBar
    failures: int
    standing: Standing
    speed: str
    eta: str
    because: str
    """Why it waits, and behind what; empty of one that does not."""
    verbs: Sequence[str]
    is_held: bool
    """Whether its error budget holds it, and who looks at it may give it another one."""
    has_checkbox: bool
    may_operate: bool

    @property
    def html(self) -> SafeString:
        """The whole `<tr>`."""
        return format_html(
            ROW,
            pk=self.batch.pk,
            progress_url=address("batch-progress", self.batch.pk),
            status=self.batch.status,
            label=self.standing.label,
            checkbox=format_html(CHECKBOX, self.batch.pk, self.batch) if self.has_checkbox else "",
            url=address("admin:batches_batch_change", self.batch.pk),
            name=self.batch,
            about=self.about,
            pill=standing_pill(self.standing),
            notes=self.notes,
            because=self.because,
            bar=self.bar.svg,
            percent=self.progress.done_percent,
            done=f"{self.progress.done:,}",
            total=f"{self.progress.total_items:,}",
            speed=self.speed,
            eta=self.eta,
            failures=self.failures_link,
            acts=format_html('<td class="bp-acts">{}</td>', self.buttons) if self.may_operate else "",
        )

    @property
    def about(self) -> str:
        """The line below its name."""
        priority = f" · {self.batch.priority} priority" if self.batch.priority != Batch.Priority.NORMAL else ""
        return f"{self.batch.processor or 'Python API'} · {self.batch.pk}{priority}"

    @property
    def notes(self) -> SafeString:
        """Below its status: why it is so, and when it starts."""
        batch = self.batch
        reason = format_html("<small>{}</small>", Truncator(batch.reason).chars(80)) if batch.reason else SafeString()
        if batch.start_at is None or batch.status != Batch.Status.PENDING:
            return reason
        starts = "was to start at" if is_overdue(batch) else "starts at"
        return reason + format_html("<small>{} {}</small>", starts, moment(batch.start_at))

    @property
    def failures_link(self) -> SafeString:
        if not self.failures:
            return SafeString('<span data-p="failures">0</span>')
        url = items_url(self.batch, failed=True) if self.batch.processor else triage_url(self.batch, self.failures)
        return format_html('<a class="bp-fail" href="{}" data-p="failures">{}</a>', url, f"{self.failures:,}")

    @property
    def buttons(self) -> SafeString:
        budget = format_html(BUDGET_LINK, self.act_url("resume")) if self.is_held else SafeString()
        rows = ((verb, self.batch.pk, verb.title(), self.batch, verb.title()) for verb in self.verbs)
        return budget + format_html_join("\n", BUTTON, rows)

    def forms(self, csrf: str) -> SafeString:
        """What its buttons send, with the page's token against forgery."""
        rows = ((verb, self.batch.pk, self.act_url(verb), csrf) for verb in self.verbs)
        return format_html_join("\n", FORM, rows)

    def act_url(self, verb: str) -> str:
        return address("admin:batches_batch_act", self.batch.pk, verb)


ROW = """
<tr data-batch="{pk}" data-swap="row-{pk}" data-progress="{progress_url}" data-status="{status}"
    data-standing="{label}">
  {checkbox}
  <th scope="row">
    <a href="{url}">{name}</a>
    <small>{about}</small>
  </th>
  <td>{pill}{notes}
    <small data-p="because">{because}</small></td>
  <td class="bp-barcell">
    {bar}
    <small data-p="done_percent_text">{percent} %</small>
  </td>
  <td class="bp-num"><span data-p="done">{done}</span> of {total}</td>
  <td><span data-p="speed">{speed}</span><small data-p="eta">{eta}</small></td>
  <td class="bp-num">
    {failures}
  </td>
  {acts}
</tr>"""
CHECKBOX = """<td class="action-checkbox">
    <input type="checkbox" name="_selected_action" value="{}" class="action-select"
           aria-label="Select {}">
  </td>"""
BUDGET_LINK = '<a class="bp-button" href="{}">Raise the budget…</a>'
BUTTON = '<button type="submit" form="bp-{}-{}" class="bp-button" aria-label="{} {}">{}</button>'
FORM = '<form id="bp-{}-{}" method="post" action="{}" hidden>{}</form>'


def batch_rows(
    batches: Sequence[Batch], progress: dict[str, Progress], *, may_operate: bool, has_checkboxes: bool
) -> list[BatchRow]:
    reasons, rows = WaitingReasons(), []
    for batch in batches:
        its_progress = progress[batch.pk]
        is_held = may_operate and bool(operations.holding_reason(batch))
        because = waits_because(batch, its_progress, reasons)
        rows.append(
            BatchRow(
                batch=batch,
                progress=its_progress,
                bar=progress_bar(its_progress),
                failures=its_progress.failed + its_progress.quarantined,
                standing=standing_of(batch, its_progress, reasons),
                speed="" if because and not its_progress.recent_velocity else speed(its_progress),
                eta=eta_or_removal(batch, its_progress, reasons, because),
                because=because,
                verbs=verbs_of(batch, is_held) if may_operate else [],
                is_held=is_held,
                has_checkbox=has_checkboxes,
                may_operate=may_operate,
            )
        )
    return rows


def triage_url(batch: Batch, failures: int) -> str:
    """Of a batch whose script may count failed items that have no rows; the batch itself where nothing triages."""
    links = (link.url for extension in registered() for link in extension.batch_links(batch, failures))
    return next(links, batch.get_absolute_url())


def verbs_of(batch: Batch, is_held: bool) -> list[str]:
    legal = (verb for verb in UNCONFIRMED_VERBS if operations.status_after(verb, batch) is not None)
    return [verb for verb in legal if not (is_held and verb == "resume")]


def eta_or_removal(batch: Batch, progress: Progress, reasons: WaitingReasons, because: str) -> str:
    """How long it will take, or how far it is gone; empty while it waits, as nobody knows for how long."""
    if batch.status in Batch.REMOVING:
        return removal_sentence(batch, reasons).partition(".")[0]
    return "" if because else eta(progress)
