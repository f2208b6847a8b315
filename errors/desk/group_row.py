"""A row of the desk's groups, as HTML: a page has twenty-five, for which a template would take longer."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batches.addresses import address
from batches.pages.markup import pill
from batches.templatetags.moments import zoneless
from batches.wording import number_agrees
from errors.desk.addresses import group_url, records_url
from errors.desk.charts import Spark
from errors.filters.ageing import AGEING_MEANS
from errors.models import BatchGroup, ErrorGroup


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group of the batch, as far as who looks at it may act upon it."""

    rollup: BatchGroup
    share: str
    """Its share of the batch's errors."""
    matching_errors: int | None
    """How many of its errors the filter meets; None where that is all of them."""
    spark: Spark | None
    """Its trend; None while the errors of a large batch are being counted."""
    may_retry: bool
    may_triage: bool

    @property
    def html(self) -> SafeString:
        """The whole `<tr>`."""
        rollup, group = self.rollup, self.group
        return format_html(
            ROW,
            kind="" if rollup.failing else SETTLED,
            retry=format_html(RETRY, self.retry_url) if self.may_retry else "",
            pill=pill(group.state, group.state),
            ageing=format_html(AGEING, AGEING_MEANS) if rollup.ageing else "",  # type: ignore[attr-defined]
            url=self.url,
            title=Truncator(group).chars(160),
            category=group.category,
            code=group.code,
            error_type=group.error_type,
            failing=self.failing_now,
            items=f"{rollup.items:,}",
            errors_url=records_url(rollup.batch_id, group=group.fingerprint),
            errors=f"{rollup.errors:,}",
            errors_text=self.errors_text,
            trend=format_html(TREND, self.spark.columns, self.spark.path) if self.spark else NO_TREND,
            first_seen=zoneless(rollup.first_seen),
            last_seen=zoneless(rollup.last_seen),
            assignee=group.assignee or "–",
        )

    @property
    def group(self) -> ErrorGroup:
        return self.rollup.group

    @property
    def errors_text(self) -> str:
        if self.matching_errors is None:
            return self.share
        return f"{self.matching_errors:,} {number_agrees(self.matching_errors, 'matches', 'match')}"

    @property
    def url(self) -> str:
        return group_url(self.rollup.batch_id, self.group.fingerprint)

    @property
    def retry_url(self) -> str:
        return address("admin:errors_group_retry", self.rollup.batch_id, self.group.fingerprint)

    @property
    def has_recovered(self) -> bool:
        """Whether nobody has to do anything about it any more, and it is open still."""
        rollup = self.rollup
        return not (rollup.failing or rollup.set_aside or rollup.waiting) and self.group.state in ErrorGroup.OPEN

    @property
    def failing_now(self) -> SafeString:
        rollup, text = self.rollup, SafeString("0")
        if rollup.failing:
            url = group_url(rollup.batch_id, self.group.fingerprint, tab="items", now="failed")
            text = format_html(FAILING, url, f"{rollup.failing:,}", f"{rollup.failing:,}")
        if rollup.set_aside:
            text += format_html(" <small>{} set aside</small>", f"{rollup.set_aside:,}")
        if rollup.waiting:
            text += format_html(" <small>{} without an outcome</small>", f"{rollup.waiting:,}")
        return text + format_html(" <small>all recovered{}</small>", self.resolve_link) if self.has_recovered else text

    @property
    def resolve_link(self) -> SafeString:
        """For those who may; empty for others."""
        if not self.may_triage:
            return SafeString()
        url = address("admin:errors_group_act", self.rollup.batch_id, self.group.fingerprint, "resolve")
        return format_html(': <a href="{}">Resolve</a>', url)


SETTLED = SafeString(' class="bp-settled"')
RETRY = ' data-retry="{}"'
AGEING = '<small title="{}">ageing</small>'
FAILING = '<a class="bp-fail" href="{}" aria-label="{} failing now">{}</a>'
TREND = """<svg viewBox="0 0 {} 20" preserveAspectRatio="none" aria-hidden="true">
      <path d="{}"/>
    </svg>"""
NO_TREND = SafeString('<svg viewBox="0 0 1 20" preserveAspectRatio="none" aria-hidden="true"></svg>')
ROW = """
<tr data-row{kind}{retry}>
  <td>{pill}{ageing}</td>
  <th scope="row">
    <a href="{url}">{title}</a>
    <small>{category} · <code>{code}</code> · {error_type}</small>
  </th>
  <td class="bp-num">{failing}</td>
  <td class="bp-num">
    <a href="{url}?tab=items" aria-label="{items} items">{items}</a>
  </td>
  <td class="bp-num">
    <a href="{errors_url}" aria-label="{errors} errors">{errors}</a>
    <small>{errors_text}</small>
  </td>
  <td class="bp-trend">{trend}</td>
  <td>{first_seen} – {last_seen}</td>
  <td>{assignee}</td>
</tr>"""
