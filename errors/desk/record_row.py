"""A row of a list of failed attempts, as HTML: a page has a hundred, for which a template would take longer."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batches.addresses import address
from batches.templatetags.moments import moment
from errors.desk.addresses import group_url
from errors.models import ErrorRecord

KEY_LENGTH, MESSAGE_LENGTH = 80, 200


def record_row(record: ErrorRecord) -> SafeString:
    """The whole `<tr>` of one attempt; its `item` and `group` are at hand."""
    return format_html(
        ROW,
        position=f"{record.position:,}",
        item=item_link(record),
        attempt=f"{record.attempt:,}",
        message=Truncator(record.message).chars(MESSAGE_LENGTH),
        group_url=group_url(record.batch_id, record.group.fingerprint),
        code=record.group.code,
        category=record.category,
        status=record.item.get_status_display().lower() if record.item else "–",
        finished_at=moment(record.finished_at),
    )


def item_link(record: ErrorRecord) -> SafeString:
    """The key of its item, which leads to the item's page where there is one."""
    key = Truncator(record.item_key).chars(KEY_LENGTH)
    if not record.item_id:
        return format_html("{}", key)
    return format_html('<a href="{}">{}</a>', address("admin:batches_item_change", str(record.item_id)), key)


ROW = """
<tr data-row>
  <td class="bp-num">{position}</td>
  <th scope="row">{item}</th>
  <td class="bp-num">{attempt}</td>
  <td class="bp-wide">{message}</td>
  <td>
    <a href="{group_url}">{code}</a>
    <small>{category}</small>
  </td>
  <td>{status}</td>
  <td>{finished_at}</td>
</tr>"""
