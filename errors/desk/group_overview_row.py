"""A row of the groups of all batches, as HTML: a page has fifty, for which a template would take longer."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batches.pages.markup import pill
from batches.templatetags.moments import moment
from errors.desk.addresses import desk_url, group_url
from errors.models import ErrorGroup


@dataclass(frozen=True, slots=True)
class GroupOverviewRow:
    """A group with what it counts over all batches; `batch_id` is the one that saw it last, empty without any."""

    group: ErrorGroup
    failing: int
    failing_in: int
    """Batches in which items of it fail now."""
    set_aside: int
    waiting: int
    """Items that failed so last and have no outcome: they are to be tried again, where their batch goes on."""
    items: int
    errors: int
    batches: int
    ageing: str
    """Why it should be looked at, if nobody has for too long; empty otherwise."""
    batch_id: str
    batch_name: str

    @property
    def html(self) -> SafeString:
        """The whole `<tr>`."""
        group = self.group
        return format_html(
            ROW,
            kind="" if self.failing else SETTLED,
            pill=pill(group.state, group.state),
            ageing=format_html(AGEING, self.ageing) if self.ageing else "",
            title=self.title,
            category=group.category,
            code=group.code,
            processor=group.processor or "Python API",
            failing=self.failing_now,
            ever=self.ever,
            errors=f"{self.errors:,}",
            batches=f"{self.batches:,}",
            last_seen=moment(group.last_seen),
            where=self.where,
            assignee=group.assignee or "–",
        )

    @property
    def url(self) -> str:
        """In the batch that saw it last."""
        return group_url(self.batch_id, self.group.fingerprint)

    @property
    def has_recovered(self) -> bool:
        return not (self.failing or self.set_aside or self.waiting) and self.group.state in ErrorGroup.OPEN

    @property
    def title(self) -> SafeString:
        if not self.batch_id:
            return format_html("{}", self.group)
        return format_html('<a href="{}">{}</a>', self.url, Truncator(self.group).chars(160))

    @property
    def failing_now(self) -> SafeString:
        failing = format_html('<b class="bp-fail">{}</b>', f"{self.failing:,}") if self.failing else SafeString("0")
        if self.failing_in > 1:
            failing += format_html(" <small>in {} batches</small>", f"{self.failing_in:,}")
        if self.set_aside:
            failing += format_html(" <small>{} set aside</small>", f"{self.set_aside:,}")
        if self.waiting:
            failing += format_html(" <small>{} without an outcome</small>", f"{self.waiting:,}")
        return failing + SafeString(" <small>all recovered</small>") if self.has_recovered else failing

    @property
    def ever(self) -> SafeString:
        items = f"{self.items:,}"
        if not self.batch_id:
            return SafeString(items)
        return format_html('<a href="{}?tab=items" aria-label="{} items">{}</a>', self.url, items, items)

    @property
    def where(self) -> SafeString:
        if not self.batch_id:
            return SafeString()
        name = Truncator(self.batch_name).chars(40)
        return format_html(' <small>in <a href="{}">{}</a></small>', desk_url(self.batch_id), name)


SETTLED = SafeString(' class="bp-settled"')
AGEING = '<small title="{}">ageing</small>'
ROW = """
<tr data-row{kind}>
  <td>{pill}{ageing}</td>
  <th scope="row">
    {title}
    <small>
      {category} · <code>{code}</code> · {processor}
    </small>
  </th>
  <td class="bp-num">{failing}</td>
  <td class="bp-num">{ever}</td>
  <td class="bp-num">{errors}</td>
  <td class="bp-num">{batches}</td>
  <td>{last_seen}{where}</td>
  <td>{assignee}</td>
</tr>"""
