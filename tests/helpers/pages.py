"""What pages show, and the forms on them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.test import Client


def page(client: Client, url: str, **query: Any) -> str:
    """Its source; it must be there for this client."""
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html.split("</head>")[-1])).split())


def content(html: str) -> str:
    """Without the head of the page and its navigation."""
    return html.split('id="content"')[1]


def form_answers(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """The form as the page shows it, with some answers changed."""
    form = client.get(address).context["page"].form
    shown = {field.html_name: field.value() for field in form}
    return {name: value for name, value in (shown | changes).items() if value is not None and value is not False}
