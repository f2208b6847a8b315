"""Every page and REST read at size on PostgreSQL: time, CPU and statements of each, and the plans of slow statements.

`python -m tests.bench.pages [--items N] [--history N] [--batches N] [--only TEXT] [--quiet]`: one batch of 1,000,000
items of which 30,000 failed, beside 5,000,000 items of 5,000 earlier batches. Addresses are those of the project's own
routes that answer to GET, and the filters that other pages link to. EXPLAIN (ANALYZE, BUFFERS) follows each statement
slower than 50 ms. Of a download only the first bytes are waited for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from tests.bench.pages_fill import BIG, fill

ITEMS, HISTORY, BATCHES, ROUNDS, LIMIT_MS, SLOW_MS = 1_000_000, 5_000_000, 5_000, 5, 150, 50


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--history", type=int, default=HISTORY, help="items of earlier batches")
    parser.add_argument("--batches", type=int, default=BATCHES, help="earlier batches")
    parser.add_argument("--only", default="", help="addresses that hold this text")
    parser.add_argument("--quiet", action="store_true", help="no plans")
    options = parser.parse_args()
    end_in_order()
    server = PostgreSQL(settings=("fsync=off", "shared_buffers=512MB", "max_wal_size=4GB")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            os.environ |= {"DATABASE_URL": server.create("bench"), "CELERY_BROKER_URL": "memory://"}
            os.environ |= {"ALLOWED_HOSTS": "testserver", "PORTAL_RATE_PER_MINUTE": "0"}
            sys.exit(measure(options))
    finally:
        server.stop()


def measure(options: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.desk import signed_in

    call_command("migrate", verbosity=0)
    began = perf_counter()
    values = fill(options.items, options.history, options.batches)
    print(f"{options.items:,} items beside {options.history:,} in {options.batches:,} batches", end="; ")
    print(f"filled in {perf_counter() - began:.0f} s; medians of {ROUNDS}, at most {LIMIT_MS} ms", flush=True)
    client, slow = signed_in(), []
    addresses = [*filtered(values, options.items), *dict.fromkeys(routed(values))]
    client.get("/admin/batches/batch/")  # modules are loaded by the first request
    for address in (address for address in addresses if options.only in address):
        slow += shown(client, address, explain=not options.quiet)
    print(f"over {LIMIT_MS} ms: {', '.join(slow) or 'none'}")
    return bool(slow)


def filtered(values: dict[str, Any], items: int) -> list[str]:
    """What pages and people ask of lists, the first requests of a cold batch before those that then find counts."""
    admin, of_big = "/admin/batches", f"batch__id__exact={BIG}"
    item_list, desk = f"{admin}/item/?{of_big}", f"/admin/errors/errorgroup/desk/{BIG}/"
    rest = f"/api/batches/{BIG}"
    return [
        *(f"{desk}", f"{rest}/map", f"{rest}/map?bins=100", f"{admin}/item/", f"{item_list}"),
        *(f"{item_list}&failed_at__isnull=False", f"{item_list}&status__exact=FAILED", f"{item_list}&o=-1"),
        *(f"{item_list}&status__exact=SUCCEEDED", f"{item_list}&status__exact=PENDING", f"{item_list}&o=8"),
        *(f"{item_list}&code=BROKEN", f"{item_list}&q=SKU-{items // 2}", f"{item_list}&q=sku-77", f"{item_list}&p=900"),
        *(f"{item_list}&status__exact=QUARANTINED", f"{item_list}&available_at__isnull=False"),
        *(f"{item_list}&position__gte={items // 2}&position__lte={items // 2 + 999}", f"{admin}/item/?q=SKU-7"),
        *(f"{item_list}&code=ABSENT", f"{item_list}&q=absent", f"{admin}/item/?status__exact=FAILED"),
        *(f"{item_list}&position__gte={items // 10}", f"{admin}/item/?o=6", f"{item_list}&o=5"),
        *(f"{admin}/batch/", f"{admin}/batch/?show=attention", f"{admin}/batch/?show=active", f"{admin}/batch/?p=50"),
        *(f"{admin}/batch/?q=old-77", f"{admin}/batch/?q=absent", f"{admin}/batch/?status__exact=COMPLETED"),
        *(f"{admin}/batch/?processor=check_rows", f"{admin}/batch/?show=archived"),
        *(f"{rest}/items?status=FAILED", f"{rest}/items?status=PENDING", f"{rest}/items?key=SKU-{items // 2}"),
        *(f"{rest}/items?code=BROKEN", f"{rest}/items?page_size=500", f"{rest}/items?code=ABSENT"),
        *("/api/batches?search=old-77", "/api/batches?status=COMPLETED", "/api/batches?search=absent"),
        *("/api/batches?processor=check_rows", "/admin/errors/errorgroup/desk/?sort=items"),
        *(f"{desk}?category=validation&text=broken", f"{desk}?positions=1000-1999", f"{desk}?field=country=DE"),
        *(f"{desk}records/?group={values['fingerprint']}", f"{desk}records/?text=broken", f"{desk}?text=absent"),
        *(f"{desk}group/{values['fingerprint']}/?tab=items", "/admin/errors/errorgroup/desk/?text=broken"),
    ]


def routed(values: dict[str, Any]) -> Iterator[str]:
    """The addresses of all routes whose parts have a value here."""
    from django.urls import URLResolver, get_resolver

    def walk(patterns: Any, before: str) -> Iterator[str]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route

    for route in walk(get_resolver().url_patterns, "/"):
        if address := with_values(route, values):
            yield address


def with_values(route: str, values: dict[str, Any]) -> str:
    """An address of the route; empty if a part has no value, or nothing is read there."""
    import re

    if "auth/" in route or "/static" in route or "logout" in route or "autocomplete" in route or "jsi18n" in route:
        return ""
    parts = re.compile(r"<(?:\w+:)?(\w+)>")
    names = parts.findall(route)
    own = {"object_id": values["item"] if "/item/" in route else BIG if "batches/batch/" in route else None}
    known = {**values, **{name: value for name, value in own.items() if value}}
    if any(name not in known for name in names) or "(" in route:
        return ""
    return parts.sub(lambda part: str(known[part[1]]), route.replace("^", "").replace("$", ""))


@dataclass
class Cost:
    """What one request took: milliseconds, those of CPU in this process, and its statements with their times."""

    spent: float = 0.0
    cpu: float = 0.0
    code: int = 0
    statements: list[tuple[float, str, Any]] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statements.append((1000 * (perf_counter() - began), sql, params))


def shown(client: Any, address: str, explain: bool) -> list[str]:
    """Print what the address costs; the address if that is too much."""
    first = requested(client, address)
    if first.code not in (200, 202):
        if first.code != 405:
            print(f"{'':>44} {first.code} {address}")
        return []
    rounds = [requested(client, address) for _ in range(ROUNDS if first.spent < 1_000 else 1)]
    spent, cpu = statistics.median(each.spent for each in rounds), statistics.median(each.cpu for each in rounds)
    asked = len(rounds[0].statements)
    print(f"{spent:6.0f} ms, first {first.spent:6.0f}, CPU {cpu:4.0f}, {asked:3} statements {address}", flush=True)
    if explain:
        explain_slow(first)
    return [address] if max(first.spent, spent) > LIMIT_MS else []


def explain_slow(cost: Cost) -> None:
    from django.db import connection

    for took, sql, params in cost.statements:
        if took > SLOW_MS and sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            print(f"    {took:.0f} ms: {sql[:600]} {str(params)[:200]}")
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
                print("\n".join(f"      {line[:200]}" for (line,) in cursor.fetchall()), flush=True)


def requested(client: Any, address: str) -> Cost:
    """Of a stream, until its first bytes."""
    from django.db import connection

    cost = Cost()
    with connection.execute_wrapper(cost):
        began, cpu = perf_counter(), process_time()
        answer = client.get(address)
        if answer.streaming and not answer.is_async:
            next(iter(answer.streaming_content), b"")
        cost.spent, cost.cpu = 1000 * (perf_counter() - began), 1000 * (process_time() - cpu)
    answer.close()
    cost.code = answer.status_code
    return cost


if __name__ == "__main__":
    main()
