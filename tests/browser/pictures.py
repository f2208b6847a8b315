"""The pictures of the README: a portal of its own with batches worth a look, seen light, dark and on a phone.

`python -m tests.browser.pictures [DIRECTORY]` writes `docs/pictures/<page>-<look>.png`.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests import demo
from tests.build.browser import browser_path
from tests.helpers.browser import CHROMIUM_FLAGS, sign_in
from tests.helpers.places import ROOT, SAMPLE, SCHEMA
from tests.helpers.portal import Portal, served

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
}
TALLEST = {"light": 1160, "dark": 1160, "phone": 1600}
MOST_BYTES = 200_000


def main() -> None:
    into = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as var, started(Path(var)) as portal, sync_playwright() as playwright:
        fill(portal, Path(var))
        browser = playwright.chromium.launch(executable_path=browser_path(), args=CHROMIUM_FLAGS)
        too_large = [name for look in LOOKS for name in taken(browser, portal, look, into)]
        browser.close()
    sys.exit(f"Larger than {MOST_BYTES:,} bytes: {', '.join(too_large)}" if too_large else 0)


@contextmanager
def started(var: Path) -> Iterator[Portal]:
    yield from served(var, PORTAL_PROCESSORS="tests.demo", LOG_LEVEL="ERROR")


def fill(portal: Portal, var: Path) -> None:
    """Invoices that failed for three causes, real airports, one batch that halted and one that runs."""
    stock = rows_in(var / "stock.csv", demo.stock(40_000, wrong_every=211))
    broken = rows_in(var / "stock-port.csv", demo.stock(9_000, wrong_every=9, wrong_from=2_600))
    invoices = rows_in(var / "invoices.csv", demo.invoices())
    clean = rows_in(var / "stock-north.csv", demo.stock(2_400, wrong_every=2_401, wrong_from=1))
    run(portal, 0, "stock-north", "stock levels, north", "sku", "shop.set_stock", clean)
    run(portal, 3, "stock-port", "stock levels, port", "sku", "shop.set_stock", broken, "--max-error-rate", "5")
    run(portal, 1, "airports", "US airports", "iata", "check_rows", SAMPLE, "--param", f"schema=@{SCHEMA}")
    run(portal, 0, "stock-47", "stock levels, all", "sku", "shop.set_stock", stock, "--rate", "400", "--detach")
    run(portal, 1, "invoices-47", "invoices week 47", "invoice", "erp.send_invoice", invoices, "--rate", "80")


def run(portal: Portal, code: int, batch: str, name: str, key: str, processor: str, file: Path, *more: str) -> None:
    said = ("--id", batch, "--name", name, "--key-column", key)
    ran = portal.manage("batch", "run", processor, str(file), *said, *more)
    assert ran.returncode == code, ran.stderr + ran.stdout


def rows_in(file: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def taken(browser: Any, portal: Portal, look: str, into: Path) -> list[str]:
    """Every page in one look; the names of the pictures that became too large."""
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    sign_in(page, portal, "operator")
    too_large = []
    for name, go in PAGES.items():
        go(page, portal.url)
        page.wait_for_load_state("networkidle") if name not in MOVING else page.wait_for_timeout(1_500)
        file = into / f"{name}-{look}.png"
        page.screenshot(path=file, full_page=True, clip=whole(page, TALLEST[look]), animations="disabled")
        print(f"{os.path.relpath(file)}  {file.stat().st_size:,} bytes")
        too_large += [file.name] if file.stat().st_size > MOST_BYTES else []
    context.close()
    return too_large


def whole(page: Any, tallest: int) -> dict[str, float]:
    width, height = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    return {"x": 0, "y": 0, "width": width, "height": min(height, tallest)}


DESK = "/admin/errors/errorgroup/desk/invoices-47/"
MOVING = ("batches", "batch")


def at(address: str) -> Callable[[Any, str], Any]:
    return lambda page, url: page.goto(url + address)


def group(page: Any, url: str) -> None:
    page.goto(url + DESK)
    page.get_by_role("link", name="needs a vat_id").first.click()


PAGES: Mapping[str, Callable[[Any, str], Any]] = {
    "batches": at("/admin/batches/batch/"),
    "batch": at("/admin/batches/batch/stock-47/change/"),
    "desk": at(DESK),
    "group": group,
    "retry": at(f"{DESK}retry/?category=network"),
}


if __name__ == "__main__":
    main()
