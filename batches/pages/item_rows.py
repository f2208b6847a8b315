"""The rows of the item list, as the admin would draw them: a page has a hundred, with nine cells each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.contrib.admin.templatetags.admin_list import ResultList, result_headers
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batches.models import Item
from batches.pages.markup import pill

EMPTY = "-"
PLACE = "ITEM-ID"
"""Stands in an address for the id of an item."""
CELLS = """<td class="field-position">{position}</td>\
<th class="field-key"><a href="{url}"{opener}>{key}</a></th>\
<td class="field-batch nowrap">{batch}</td>\
<td class="field-shown_status">{status}</td>\
<td class="field-attempts">{attempts}</td>\
<td class="field-code">{code}</td>\
<td class="field-shown_message">{message}</td>\
<td class="field-finished_at nowrap">{finished_at}</td>"""
CHECKBOX = """<td class="action-checkbox"><input type="checkbox" name="_selected_action" value="{}" \
class="action-select" aria-label="Select this object for an action - {}"></td>"""


def item_table(items: ChangeList) -> dict[str, Any]:
    """What the admin's template of a list's table reads; each row is one piece of HTML."""
    headers = list(result_headers(items))
    return {
        "result_headers": headers,
        "num_sorted_fields": sum(bool(header["sortable"] and header["sorted"]) for header in headers),
        "results": item_rows(items, list(items.result_list)),
    }


def item_rows(items: ChangeList, rows: Sequence[Item]) -> list[ResultList]:
    """Of the columns of `ItemAdmin.list_display`, with a checkbox before them for who may act."""
    url = reverse("admin:batches_item_change", args=[PLACE])
    url = add_preserved_filters({"preserved_filters": items.preserved_filters, "opts": items.opts}, url)
    has_checkbox = items.list_display[0] == "action_checkbox"
    return [
        ResultList(
            None,
            [
                format_html(CHECKBOX, item.pk, item) if has_checkbox else "",
                item_cells(item, url.replace(PLACE, str(item.pk)), items.is_popup),
            ],
        )
        for item in rows
    ]


def item_cells(item: Item, url: str, is_popup: bool) -> SafeString:
    return format_html(
        CELLS,
        position=f"{item.position:,}",
        url=url,
        opener=format_html(' data-popup-opener="{}"', item.pk) if is_popup else "",
        key=shown(item.key),
        batch=item.batch,
        status=status_pill(item.status),
        attempts=f"{item.attempts:,}",
        code=shown(item.code),
        message=shown(message_start(item)),
        finished_at=display_for_value(item.finished_at, EMPTY),
    )


def shown(text: str) -> str:
    return text if text.strip() else EMPTY


@cache
def status_pill(status: str) -> SafeString:
    return pill(status, Item.Status(status).label)


def message_start(item: Item) -> str:
    return Truncator(item.message).chars(121)
