"""What the browser tests do with a page, and what they wait for."""

from __future__ import annotations

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.helpers.portal import PASSWORD, Portal

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
LONGEST_WAIT = 120_000
"""Milliseconds: for what a page is to show, and for what is to be done with it."""


def window(chromium: Any, **looks: Any) -> Any:
    """A browser's window of its own: no cookie of another one's, and patience."""
    context = chromium.new_context(**looks)
    context.set_default_timeout(LONGEST_WAIT)
    return context


def sign_in(page: Any, portal: Portal, name: str) -> None:
    page.goto(f"{portal.url}/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")
    expect(page.get_by_role("heading", name=re.compile("batch", re.I)).first).to_be_visible()


def serious_faults(page: Any, *rules: str) -> list[str]:
    """What axe-core finds on a page as it stands, by all of its rules or by these, each fault with the first element
    that has it."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    found = Axe().run(page, options=options | ({"runOnly": list(rules)} if rules else {})).response["violations"]
    return [
        f"{page.url}: {fault['id']} ({fault['impact']}, {len(fault['nodes'])} times): {fault['nodes'][0]['html'][:200]}"
        f" {fault['nodes'][0].get('failureSummary', '')[:300]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
