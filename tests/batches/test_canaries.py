"""Secrets go in by payloads, parameters, the environment and answers, and come out nowhere."""

from __future__ import annotations

import html
import io
import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

import pytest
from django import forms
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.lifecycle import deliveries
from batches.models import Batch, Delivery, Item, Webhook
from batches.processors import Context, ItemError, SkipItem
from batchportal.log_lines import LogLine
from errors.exports.exporters import EXPORTERS
from errors.models import BatchGroup, ErrorRecord
from tests.helpers.canaries import columns_with, seen_in
from tests.helpers.failed_rows import exported
from tests.helpers.http_server import Server
from tests.helpers.people import UserOf, signed_in
from tests.helpers.with_params import NAME, Register

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]

IN_PAYLOAD = ('pa\'y "canary" é', "dEEpCanary/1", "737")
IN_PARAMS, IN_ENVIRONMENT, IN_ANSWER = "param-canary-55", "ENV+canary/77==", "eyJhbGciOi.eyJjYW5hcnkx.c2ln"
IN_DATABASE = "pbkdf2_sha256$1$canaryhash"
ALL = (*IN_PAYLOAD, IN_PARAMS, IN_ENVIRONMENT, IN_ANSWER, IN_DATABASE)
STORED_AS_GIVEN = {"batches_item.payload", "batches_batch.params", "auth_user.password"}
"""What a retry runs with, and what Django keeps."""


class WithToken(forms.Form):
    apiToken = forms.CharField(initial=IN_PARAMS)
    headers = forms.CharField(initial=f"X-Api-Key: {IN_PARAMS}")


def raised_from_cause(secret: str) -> None:
    try:
        raise KeyError(secret)
    except KeyError as error:
        error.add_note(f"it was {secret}")
        raise RuntimeError(f"no {secret!r} there") from error


def failing_row(secret: str) -> None:
    """PostgreSQL quotes the whole row, with what stood in it before; SQLite does not."""
    User.objects.get_or_create(username="ann", defaults={"password": IN_DATABASE})
    with transaction.atomic():
        User.objects.filter(username="ann").update(email=None)


def quoted_row(secret: str) -> None:
    raise IntegrityError(f"null value\nDETAIL:  Failing row contains (1, {IN_DATABASE}, {secret}).\n")


WAYS: dict[str, Any] = {
    "message": lambda s: raising(ValueError(f"refused: {s}")),
    "error": lambda s: raising(ItemError(f"bad {s}", code=f"C-{s}", fields=[f"password {s}"])),
    "cause": raised_from_cause,
    "group": lambda s: raising(ExceptionGroup(s, [ValueError(s)])),
    "name": lambda s: raising(type(f"E{s}", (Exception,), {})(s)),
    "json": lambda s: raising(ValueError(json.dumps({"x": s}))),
    "base64": lambda s: raising(ValueError(b64encode(s.encode()).decode())),
    "basic": lambda s: raising(ValueError(f"Basic {b64encode(f'user:{s}'.encode()).decode()}")),
    "cut": lambda s: raising(ValueError("x" * 16_000 + f" {s * 500}")),
    "skip": lambda s: raising(SkipItem(f"no need of {s}")),
    "result": lambda s: {"echo": s, "list": [f"it is {s}"]},
    "number": lambda s: int(s) if s.isdecimal() else s,
    "row": failing_row,
    "quoted": quoted_row,
    "jwt": lambda s: raising(ValueError(f"{IN_ANSWER} is no token")),
}


def raising(error: BaseException) -> Any:
    raise error


def leak(payload: dict[str, Any], context: Context) -> Any:
    secret = {**payload, **payload["nested"], "params": context.params["apiToken"], "env": IN_ENVIRONMENT}[
        payload["of"]
    ]
    context.logger.warning("this is %s", secret)
    return WAYS[payload["way"]](secret)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the portal's log says."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(LogLine("{levelname} {name}: {message}", style="{"))
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def leaky_batch() -> Batch:
    secrets = {"password": IN_PAYLOAD[0], "nested": {"x-api-key": IN_PAYLOAD[1], "pin_token": IN_PAYLOAD[2]}}
    places = ("password", "x-api-key", "pin_token", "params", "env")
    rows = [{"way": way, "of": place, **secrets} for way in WAYS for place in places]
    operations.submit(
        processor=NAME, items=rows, batch_id="leaky", name=f"from {IN_ENVIRONMENT}", max_attempts=1, actor="ana"
    )
    operations.start("leaky", reason=f"with password={IN_ENVIRONMENT} and {IN_ANSWER}")
    runner.work_until_idle("leaky")
    return operations.get_batch("leaky")


def pages(batch: Batch) -> list[str]:
    groups = BatchGroup.objects.filter(batch=batch).values_list("group__fingerprint", flat=True)
    errors = ("errors_desk", "errors_records", "errors_retries", "errors_exports")
    return [
        reverse("admin:batches_batch_changelist"),
        batch.get_absolute_url(),
        reverse("admin:batches_item_changelist"),
        reverse("admin:errors_errorrecord_changelist"),
        reverse("admin:batches_delivery_changelist"),
        *(reverse(f"admin:{name}", args=[batch.pk]) for name in errors),
        *(reverse("admin:errors_group", args=[batch.pk, fingerprint]) for fingerprint in groups),
        *(reverse("admin:batches_item_change", args=[item.pk]) for item in batch.items.all()[::7]),
        *(f"/api/batches/{batch.pk}{path}" for path in ("", "/items", "/errors", "/errors/records", "/transitions")),
    ]


def test_a_run_full_of_secrets_leaves_none_anywhere(
    register: Register,
    monkeypatch: pytest.MonkeyPatch,
    user_of: UserOf,
    log: io.StringIO,
    hook: Webhook,
    server: Server,
) -> None:
    monkeypatch.setenv("PORTAL_SECRET_KEY_OF_TESTS", IN_ENVIRONMENT)
    server.answer = lambda request: (500, {}, f"got {IN_ENVIRONMENT}, X-Api-Key: {IN_PARAMS} {IN_ANSWER}".encode())
    register(WithToken, leak)
    batch = leaky_batch()
    assert batch.items.filter(status=Item.Status.FAILED).count() >= 50
    deliveries.send_due()
    assert Delivery.objects.exclude(answer="").exists()
    assert columns_with(ALL) <= STORED_AS_GIVEN
    assert seen_in(log.getvalue(), ALL) == set()
    assert "this is" in log.getvalue()
    assert seen_in("".join(str(request["body"]) for request in server.seen), ALL) == set()
    client = signed_in(user_of("operator"))
    leaking = {address: seen for address in pages(batch) if (seen := seen_in(answer_of(client, address), ALL))}
    assert leaking == {}
    for kind in ("summary", "detail", "items", "fix"):
        for file_format in EXPORTERS:
            assert seen_in(text_of_export(batch, kind, file_format), ALL) == set(), (kind, file_format)


def text_of_export(batch: Batch, kind: str, file_format: str) -> str:
    """All that stands in the file; a workbook is an archive of XML."""
    content = exported(batch, kind, file_format)
    if file_format != "xlsx":
        return content.decode()
    with ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(html.unescape(archive.read(name).decode()) for name in archive.namelist())


def answer_of(client: Any, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return str(answer.content.decode())


def test_a_receiver_that_echoes_a_secret_has_it_shown_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET_CANARY", IN_ENVIRONMENT)

    def echo(request: dict[str, Any]) -> Any:
        status = 200 if request["path"].endswith("ok") else 400
        return status, {}, ("z" * (490 - len("got ")) + "got " + request["headers"]["Authorization"]).encode()

    server.answer = echo
    operations.submit(
        processor="http_request",
        params={
            "method": "POST",
            "url": f"http://{server.address}/${{id}}",
            "headers": "Authorization: ${secret.CANARY}",
        },
        items=[{"id": "ok"}, {"id": "bad"}],
        batch_id="calls",
        max_attempts=1,
    )
    operations.start("calls")
    runner.work_until_idle("calls")
    assert ErrorRecord.objects.count() == 1
    assert columns_with([IN_ENVIRONMENT]) == set()
    assert columns_with([IN_ENVIRONMENT[:8]]) == set()


@pytest.mark.parametrize("column", ["password", "x-api-key", "Auth Token"])
def test_a_masked_column_names_no_items(column: str) -> None:
    with pytest.raises(InvalidInput, match="key_column"):
        operations.submit(processor="test.do", items=[{column: "sesame"}], key_column=column)
    assert Item.objects.count() == 0


def test_a_file_is_named_without_its_secret() -> None:
    operations.submit(processor="test.do", file=io.BytesIO(b"a\n1\n"), filename="token=sesame77 of May.csv")
    assert columns_with(["sesame77"]) == set()
    assert "of May" in Batch.objects.get().name


def test_what_is_stored_is_what_the_row_in_memory_says() -> None:
    batch = Batch.objects.create(id="b1", name="api_key=sesame77")
    assert batch.name == "api_key=[redacted]"
    Batch.objects.update(reason="Authorization: Basic dTpzZXNhbWU3Nw==")
    batch.refresh_from_db()
    assert batch.reason == "Authorization: Basic [redacted]"
