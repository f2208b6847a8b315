"""Exceptions that fight back, and secrets in every corner: an item fails in words, its neighbours do not notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item
from batches.processors import ItemError, processor
from errors.models import ErrorGroup, ErrorRecord

SECRETS = {
    "payload": "canary-aa11",
    "nested": "canary-bb22's",
    "param": "canary-cc33",
    "url": "canary-dd44",
    "named": "canary-ee55",
    "source": "canary-ff66",
    "code": "canary-gg77",
    "quoted": "canary hh/88",
    "cut": "canary-jj99" * 3,
    "jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkta2sxMDAifQ.c2lnbmF0dXJl",
    "card": "4111 1111 1111 1111",
}


class Grim(ItemError):
    """Raises whenever somebody looks at what hangs on it."""

    def __init__(self) -> None:
        Exception.__init__(self, "grim")

    def __getattribute__(self, name: str) -> Any:
        if name in ("code", "category", "retryable", "fingerprint", "after", "fields", "response", "errno", "pgcode"):
            raise RuntimeError("not yours")
        return super().__getattribute__(name)


class Liar(Exception):
    """Says other things than it is."""

    fields = errno = status_code = retryable = after = category = 7

    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class Bottomless(Exception):
    """Its words never end."""

    def __str__(self) -> str:
        return str(self)


class Members(ExceptionGroup[Exception]):
    def __str__(self) -> str:
        raise SystemExit


def never(number: int) -> Iterator[BaseException]:
    later = ItemError("much later")
    later.after = float("nan")
    huge = ItemError("later still")
    huge.after = 10**400
    odd = ItemError("odd")
    odd.fields = 9  # type: ignore[assignment]
    yield from (Grim(), Liar(), Bottomless(), Members("m", [ValueError(n) for n in range(3)]), later, huge, odd)
    yield from (ValueError("x\x00\ud800" * 3), ValueError("y" * 10_000_000), BaseException("base"), StopIteration(1))
    yield from (GeneratorExit(), KeyError(("a", b"\xff")), UnicodeDecodeError("utf-8", b"\xff" * 99, 0, 1, "bad"))


def resist(payload: dict[str, Any], context: Any) -> None:
    for number, error in enumerate(never(payload["n"])):
        if number == payload["n"]:
            raise error


def leak(payload: dict[str, Any], context: Any) -> None:
    said = {name: SECRETS[name] for name in ("payload", "nested", "param")}
    if payload["n"] == 0:
        raise ValueError(f"login {said}, {SECRETS['nested']!r}: {SECRETS['quoted'].replace(' ', '%20')} refused")
    if payload["n"] == 1:
        raise ConnectionError(f"https://ann:{SECRETS['url']}@example.com/?token={SECRETS['named']} refused")
    if payload["n"] == 2:
        raise KeyError({"password": "canary-ff66"})
    if payload["n"] == 3:
        secret = payload["api_key"]
        raise ItemError(f"no {secret}", code=f"BAD {secret}", field=secret, fingerprint=f"{secret} {{{{ default }}}}")
    if payload["n"] == 4:
        raise ValueError("x" * (8 * 1024 - 12) + payload["password"])
    raise ValueError(f"Bearer {SECRETS['jwt']} may not use {SECRETS['card']}")


processor("hostile.resist")(resist)
processor("hostile.leak")(leak)


def run(name: str, items: list[dict[str, Any]], **more: Any) -> Batch:
    operations.submit(processor=name, items=items, batch_id="b1", **more)
    Batch.objects.update(params={"token": SECRETS["param"]})
    operations.start("b1")
    runner.work_until_idle("b1")
    return Batch.objects.get()


def test_it_fails_the_item_and_nothing_else(engine: None) -> None:
    many = len(list(never(0)))
    batch = run("hostile.resist", [{"n": n} for n in range(many + 3)], max_attempts=1)
    assert (batch.status, batch.items.filter(status="FAILED").count()) == ("COMPLETED", many)
    assert batch.items.filter(status="SUCCEEDED").count() == 3
    assert ErrorRecord.objects.count() == many
    assert not list(operations.verify("b1"))


def test_it_loses_no_item_when_an_exception_cannot_be_read(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("errors.grouping.seen_failures.identify", broken)
    run("hostile.leak", [{"n": 5}, {"n": 2}])
    assert sorted(ErrorGroup.objects.values_list("title", flat=True)) == [
        "KeyError: other messages",
        "ValueError: other messages",
    ]
    assert Item.objects.filter(status="FAILED").count() == 2


SHOWN = {"batches_item": {"payload"}, "batches_batch": {"params"}}


def test_it_stores_no_secret_in_any_table(engine: None) -> None:
    items = [
        {"n": 0, "password": SECRETS["payload"], "deep": [{"login": {"Api-Key": SECRETS["nested"]}}]},
        {"n": 1},
        {"n": 2, "token": SECRETS["source"]},
        {"n": 3, "api_key": SECRETS["code"]},
        {"n": 4, "password": SECRETS["cut"]},
        {"n": 5},
    ]
    items[0]["secret"] = SECRETS["quoted"]
    run("hostile.leak", items, max_attempts=1)
    assert ErrorRecord.objects.count() == len(items)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if not table.startswith(("batches_", "errors_")):
                continue
            columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
            read = [name for name in columns if name not in SHOWN.get(table, ())]
            cursor.execute(f"SELECT {', '.join(map(connection.ops.quote_name, read))} FROM {table}")
            for row in cursor.fetchall():
                found = [name for name, secret in SECRETS.items() if any(part in str(row) for part in parts(secret))]
                assert not found, (table, row)


def parts(secret: str) -> list[str]:
    """Also its beginning, where a text was cut."""
    return [secret[:11], secret.replace(" ", "%20").replace("/", "%2F")]
