"""The tab of a group's page that lists its items by their last failure of that kind, and what became of each since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.pages.markup import pill
from batches.redaction import redact
from batches.templatetags.moments import moment
from errors.desk.group_page.failure import columns_of, safe_message
from errors.desk.group_page.item_filter import NOW, ItemFilter
from errors.desk.group_page.marked import Part, markup_of, message_parts, peek, spoken_of
from errors.desk.group_page.record_walk import RecordWalk, last_of_each_item, records_read
from errors.desk.record_row import item_link
from errors.models import ErrorGroup, ErrorRecord

ROWS = 50
MESSAGE_LENGTH = 600


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item by its last failure of this kind."""

    record: ErrorRecord
    parts: list[Part]
    """The message, what varies marked."""
    peek: list[Part]
    """The payload in one line, what the message speaks of first; empty for a failure without an item."""

    @property
    def attempts(self) -> int:
        return self.record.item.attempts if self.record.item else self.record.attempt

    @property
    def html(self) -> SafeString:
        """The whole `<tr>`: a page has fifty, with a dozen marks each, for which a template would take longer."""
        record = self.record
        return format_html(
            ROW,
            position=f"{record.position:,}",
            item=item_link(record),
            attempts=f"{self.attempts:,}",
            sample=record.pk,
            message=markup_of(self.parts),
            peek=format_html_join("\n", "{}", ((peek_mark(part),) for part in self.peek)),
            pill=self.pill,
            differs=FAILS_DIFFERENTLY if self.fails_differently else "",
            finished_at=moment(record.finished_at),
        )

    @property
    def pill(self) -> SafeString | str:
        item = self.record.item
        return pill(item.status, item.get_status_display().lower()) if item else "–"

    @property
    def fails_differently(self) -> bool:
        """Whether the item is failed now by another error than this."""
        item = self.record.item
        return bool(item and item.failed_at and item.attempts > self.record.attempt)


FAILS_DIFFERENTLY = SafeString("<small>with another error</small>")
ROW = """
<tr data-row>
  <td class="bp-num" data-label="position">{position}</td>
  <th scope="row">{item}</th>
  <td class="bp-num" data-label="attempts">{attempts}</td>
  <td class="bp-said"><a class="bp-plain" href="?tab=sample&amp;sample={sample}">{message}</a></td>
  <td class="bp-peek">{peek}</td>
  <td>{pill} {differs} <small>{finished_at}</small></td>
</tr>"""


def peek_mark(part: Part) -> SafeString:
    return format_html("<mark>{}</mark>" if part.field else "<span>{}</span>", part.text)


@dataclass(frozen=True, slots=True)
class ItemsTab:
    """One page of the items, what failed last on top; `before` and `after` are records at which pages go on."""

    template: ClassVar[str] = "admin/errors/group/items.html"
    choices: ClassVar[list[tuple[str, str]]] = [(name, label) for name, (label, _) in NOW.items()]

    item_filter: ItemFilter
    rows: list[ItemRow]
    before: int | None = None
    after: int | None = None
    records_read: int = 0
    """How many records were read where these did not fill the page; 0: there are no more items."""
    problem: str = ""
    """Why the filter cannot be used; empty if it can."""

    @property
    def earlier_url(self) -> str:
        return self.page_url("before", self.before)

    @property
    def later_url(self) -> str:
        return self.page_url("after", self.after)

    def page_url(self, name: str, record_id: int | None) -> str:
        if not record_id:
            return ""
        parts = ["tab=items", self.item_filter.query_string, urlencode({name: record_id})]
        return f"?{'&'.join(part for part in parts if part)}"


def items_tab(batch: Batch, group: ErrorGroup, item_filter: ItemFilter, after: int = 0, before: int = 0) -> ItemsTab:
    """The items before a record, or after one."""
    try:
        condition = item_filter.condition(batch, group)
    except InvalidInput as refused:
        return ItemsTab(item_filter, [], problem=str(refused))
    rows = last_of_each_item(batch, group).filter(condition).select_related("item")
    is_forward, edge = bool(after), None
    walk = RecordWalk(ErrorRecord.objects.filter(batch=batch, group=group), is_forward, after or before)
    if item_filter.is_narrow:
        records = walk.find(rows, ROWS + 1)
    else:
        records, edge = walk.search(rows, ROWS + 1)
    page = records[:ROWS][::-1] if is_forward else records[:ROWS]
    edge = records[ROWS - 1].pk if len(records) > ROWS else edge
    columns = columns_of(batch)
    return ItemsTab(
        item_filter=item_filter,
        rows=[item_row(record, columns) for record in page],
        before=(page[-1].pk if page else after + 1) if is_forward else edge,
        after=edge if is_forward else page[0].pk if page and before else None,
        records_read=records_read() if edge and len(records) <= ROWS else 0,
    )


def item_row(record: ErrorRecord, columns: list[str]) -> ItemRow:
    """`columns` are those of the file that the batch came from."""
    payload = redact(record.item.payload) if record.item else None
    parts = message_parts(safe_message(record)[:MESSAGE_LENGTH], payload, columns)
    return ItemRow(record, parts, peek(payload, spoken_of(parts, record.fields)) if record.item else [])
