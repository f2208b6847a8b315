"""No page is changed by a text that it shows, whatever the text is, and in whichever place of the page it stands."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from batches import operations
from batches.models import Batch, Item
from errors.models import ErrorGroup, ErrorRecord
from tests.corpus.scripts import SCRIPTS
from tests.helpers.batches import modes, ran
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
BEGIN = ("/admin/", "/admin/batches/batch/hostile/change/", "/admin/errors/errorgroup/desk/hostile/")
ELSEWHERE = re.compile(
    "^/(admin/)?(logout|password_change|api|static|auth|catalog|batches/(webhook|accesstoken|retention))/"
)
"""What is left out: of no page there a text of a batch is part."""
SCHEMES = ("javascript:", "vbscript:", "data:text")


class Markup(HTMLParser):
    """The addresses that a page leads to, and what of it a text has made."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.intruders: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [tag, *(name for name, _ in attrs)]
        values = {name: re.sub(r"[\s\x00-\x20]", "", value or "").lower() for name, value in attrs}
        runs = [name for name in names if "xss" in name or name.startswith("on")]
        runs += [name for name, value in values.items() if value.startswith(SCHEMES) or is_abroad(name, value)]
        runs += ["script"] if tag == "script" and not values.get("src") and "json" not in values.get("type", "") else []
        if runs or tag in ("iframe", "object", "embed", "base", "marquee", "math"):
            self.intruders.append(str(self.get_starttag_text())[:120])
        self.links += [value or "" for name, value in attrs if name == "href"]


def is_abroad(name: str, value: str) -> bool:
    """Whether it is an attribute that leads somewhere, and leads to where a text says."""
    return "evil.example" in value and name in ("href", "src", "action", "formaction", "style", "srcset", "poster")


def kind(address: str) -> str:
    """Addresses that differ in values alone are drawn alike, and so are most that differ in what a list is of."""
    path, _, query = address.partition("?")
    parts = re.findall(r"(?:^|[?&])(\w+)=", query) if "/errorgroup/" in path else []
    try:
        return f"{resolve(path).route}?{sorted(parts)}"
    except Resolver404:
        return address


def hostile_batch() -> Batch:
    """Its texts are hostile: payloads, keys, names, failures, reasons, notes."""
    rows = modes("value", "error", "ok")
    for place, text in enumerate(SCRIPTS):
        rows[0] |= {f"v{place}": text, text: place}
    for row in rows:
        row["id"] = SCRIPTS[row["n"]]
    batch = ran(rows, batch_id="hostile", name=SCRIPTS[0], key_column="id", max_attempts=1)
    everything = "\n".join(SCRIPTS)
    Item.objects.exclude(status="SUCCEEDED").update(message=everything, code='"><xss>')
    ErrorRecord.objects.update(message=everything, error_type="<xss>", code='"><xss>', worker="'><xss>")
    ErrorGroup.objects.update(title="".join(SCRIPTS)[:600], error_type="<xss>", code='"><xss>')
    operations.retry(batch.pk, all_failed=True, reason=everything[:500], actor="<xss>")
    return batch


def walked(client: Client) -> dict[str, list[str]]:
    """By address what each kind of page has of intruders, from the first page on."""
    intruders, pending = {}, list(BEGIN)
    seen = {kind(address) for address in pending}
    while pending:
        address = pending.pop()
        answer = client.get(address, follow=True)
        if not answer.headers["Content-Type"].startswith("text/html"):
            answer.close()
            continue
        markup = Markup()
        markup.feed(answer.content.decode())
        intruders[address] = markup.intruders
        for link in markup.links:
            if link.startswith("/") and not ELSEWHERE.match(link) and kind(link) not in seen:
                seen.add(kind(link))
                pending.append(link)
    return intruders


def test_no_text_becomes_an_element_an_attribute_or_a_link_of_any_page(user_of: UserOf, settings: Any) -> None:
    hostile_batch()
    pages = walked(signed_in(user_of("admin")))
    assert {address: found for address, found in pages.items() if found} == {}
    assert len(pages) > 30


def test_a_page_that_shows_one_as_it_stands_is_noticed() -> None:
    """But for those that do harm only within a script, a style or an address."""
    unnoticed = []
    for text in SCRIPTS:
        markup = Markup()
        markup.feed(f"<p>{text}</p><a href=\"{text}\" title='{text}'>")
        unnoticed += [] if markup.intruders else [text]
    assert len(unnoticed) < len(SCRIPTS) / 3, unnoticed
