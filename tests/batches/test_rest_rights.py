"""Every route and method for every role. A route that stands in no line of the table fails this test.

`pytest -s -k each_role` prints the matrix: what each role is answered, and whether rows were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from batches import operations
from batches.lifecycle import removals
from batches.models import AccessToken, Batch, Removal
from errors import exports
from errors.exports.request import ExportRequest
from errors.models import ErrorGroup
from tests.helpers.batches import rows_written
from tests.helpers.check_rows import committed, finished, submitted
from tests.helpers.people import ROLES, browser, client, person

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]

READ = {"viewer": "served", "operator": "served", "admin": "served"}
ACT = {"viewer": 403, "operator": "served", "admin": "served"}
NONE = {"viewer": 403, "operator": 405, "admin": 405}
DELETE = {"viewer": 403, "operator": 403, "admin": "served"}
NO_DELETE = {"viewer": 403, "operator": 403, "admin": 405}
ROUTES: dict[str, dict[str, dict[str, Any]]] = {
    "batches": {"get": READ, "post": ACT},
    "batch": {"get": READ, "delete": DELETE, **dict.fromkeys(("post", "put", "patch"), NO_DELETE)},
    "batch-archive": {"post": DELETE, **dict.fromkeys(("delete", "put", "patch"), NO_DELETE)},
    "batch-removal": {"get": READ},
    "removals": {"get": READ},
    "removal": {"get": READ},
    "batch-progress": {"get": READ},
    "batch-velocity": {"get": READ},
    "batch-checkpoint": {"get": READ},
    "batch-map": {"get": READ},
    "batch-items": {"get": READ},
    "batch-transitions": {"get": READ},
    "batch-start": {"post": ACT},
    "batch-pause": {"post": ACT},
    "batch-resume": {"post": ACT},
    "batch-cancel": {"post": ACT},
    "batch-retry": {"post": ACT},
    "batch-adjust": {"post": ACT},
    "batch-run-again": {"post": ACT},
    "batch-give-up": {"post": ACT},
    "batch-rehearse": {"post": ACT},
    "batch-rehearsal": {"get": READ},
    "batch-fixes": {"get": READ, "post": ACT},
    "batch-fix": {"get": READ},
    "batch-fix-rows": {"get": READ},
    "batch-decide": {"post": ACT},
    "batch-watch": {"post": READ, "delete": READ},
    "watches": dict.fromkeys(("get", "post", "patch", "delete"), READ),
    "batch-retry-detail": {"get": READ},
    "batch-retries": {"get": READ},
    "batch-retry-pause": {"post": ACT},
    "batch-retry-resume": {"post": ACT},
    "batch-retry-cancel": {"post": ACT},
    "batch-asides": {"get": READ, "post": ACT},
    "batch-bring-back": {"post": ACT},
    "batch-errors": {"get": READ},
    "batch-error-records": {"get": READ},
    "batch-error-findings": {"get": READ},
    "batch-error-groups": {"get": READ},
    **{
        f"batch-group-{verb}": {"post": ACT}
        for verb in ("acknowledge", "resolve", "ignore", "reopen", "assign", "note", "merge", "split")
    },
    **{f"batch-groups-{verb}": {"post": ACT} for verb in ("acknowledge", "resolve", "ignore", "reopen", "assign")},
    "batch-group-acts": {"get": READ},
    "batch-group-act": {"get": READ},
    "batch-group-act-undo": {"post": ACT},
    "batch-recommendations": {"get": READ},
    "batch-recommendation-apply": {"post": ACT},
    "batch-recommendation-dismiss": {"post": ACT},
    "batch-recommendation-undo": {"post": ACT},
    "batch-error-export": {"get": READ},
    "batch-exports": {"get": READ},
    "batch-export": {"get": READ},
    "batch-export-file": {"get": READ},
    "batch-export-cancel": {"post": {"viewer": 403, "operator": 403, "admin": "served"}},
    "batch-plan": {"get": READ, "post": ACT},
    "batch-plan-apply": {"post": ACT},
    "batch-plan-step-apply": {"post": ACT},
    **{f"batch-plan-{verb}": {"post": ACT} for verb in ("run", "pause", "cancel")},
    "pause": {"get": READ, "post": DELETE, "delete": DELETE, **dict.fromkeys(("put", "patch"), NO_DELETE)},
    "processors": {"get": READ},
    "workers": {"get": READ},
    "workers-notices": {"get": READ},
    "tokens": {"get": READ, "post": READ},
    "token": {"get": READ, "delete": READ},
    "schema": {"get": READ},
    "docs": {"get": READ},
}
WRITES = re.compile(r"\s*(?:WITH .*?)?(?:INSERT INTO|UPDATE|DELETE FROM) \"?(\w+)", re.DOTALL)
ABOUT_WHO_ASKS = {"batches_allowance", "batches_accesstoken", "django_session"}
BODIES: dict[str, Any] = {
    "batches": {"processor": "check_rows", "params": {"schema": "{}"}, "items": [{"a": 1}]},
    "batch-retry": {"all_failed": True},
    "batch-adjust": {"rate": 5},
    "batch-fixes": {"items": [{"b": 2, "_item_key": "2"}]},
    "batch-asides": {"positions": [99]},
    "batch-group-assign": {"assignee": "operator"},
    "batch-group-note": {"reason": "seen"},
    **{f"batch-groups-{verb}": {"filter": {}} for verb in ("acknowledge", "resolve", "ignore", "reopen")},
    "batch-groups-assign": {"filter": {}, "assignee": "operator"},
    "tokens": {"name": "another"},
}
"""What the acts are asked with; the others need nothing."""
METHODS = ("get", "post", "put", "patch", "delete")
GIVEN = {"batch_id": "b1", "number": "1", "file_format": "csv"}
BY_VIEWERS = ("batch-watch", "watches", "batch-export-cancel", "tokens", "token")
"""Routes on which whoever may look may act, on what is their own."""


def rest_patterns(patterns: Any = None, below: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = below + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from rest_patterns(pattern.url_patterns, path)
        elif path.startswith("api/"):
            yield path, pattern


def test_it_has_a_line_for_every_route() -> None:
    named = {pattern.name for path, pattern in rest_patterns() if not path.endswith("/")}
    assert named == set(ROUTES)


def test_it_serves_every_route_with_and_without_a_slash() -> None:
    paths = {path for path, _ in rest_patterns()}
    assert all(path.rstrip("/") in paths and f"{path.rstrip('/')}/" in paths for path in paths)


def expected(route: str, method: str, role: str) -> Any:
    if role in ("anonymous", "charlie"):
        return 401 if role == "anonymous" else 403
    no_such = dict.fromkeys(("viewer", "operator", "admin"), 405)
    otherwise = no_such if method == "get" or route in BY_VIEWERS else NONE
    return ROUTES[route].get(method, otherwise)[role]


@committed
@pytest.mark.parametrize(
    "role", [pytest.param(role, marks=pytest.mark.full if role == "admin" else ()) for role in ROLES]
)
def test_it_serves_each_role_what_it_may(role: str) -> None:
    finished()
    operations.rehearse("b1", wake=False)
    operations.check_fix("b1", items=[{"b": 2, "_item_key": "2"}])
    exports.record(ExportRequest(operations.get_batch("b1")), actor="somebody", state="queued")
    client("admin").post("/api/batches/b1/errors/groups/acknowledge", {"filter": {}}, format="json")
    client("admin").post("/api/batches/b1/errors/plan", {}, format="json")
    client("admin").get("/api/batches/b1/errors/recommendations")
    client("admin").post("/api/batches/b1/retry", {"all_failed": True}, format="json")
    client("admin").post("/api/batches/b1/asides", {"positions": [0, 99]}, format="json")
    a_removal()
    visitor = client(role)
    visitor.get("/api/batches")
    wrong = {}
    for route, method in product(ROUTES, METHODS):
        with undone(), tables_written() as written:
            status = getattr(visitor, method)(
                address(route), BODIES.get(route, {}) if method == "post" else None, format="json"
            ).status_code
        wanted = expected(route, method, role)
        fits = status in (200, 201, 202, 204, 400, 409) if wanted == "served" else status == wanted and not written
        print(f"{role:<10} {method:<7} {route:<30} {status}  {', '.join(sorted(written))}")
        if not fits:
            wrong[method, route] = status
    assert wrong == {}


def a_removal() -> None:
    submitted("gone")
    operations.delete("gone")
    removals.work()


def address(route: str) -> str:
    path = next(path for path, found in rest_patterns() if found.name == route)
    if route == "token":
        return reverse(route, args=[AccessToken.objects.latest("pk").pk])
    if route == "removal":
        return reverse(route, args=[Removal.objects.latest("pk").pk])
    given = GIVEN | {"fingerprint": ErrorGroup.objects.values_list("fingerprint", flat=True).first() or "none"}
    return reverse(route, kwargs={name: value for name, value in given.items() if f":{name}>" in path})


@contextmanager
def tables_written() -> Iterator[set[str]]:
    """The tables of the statements that write, but for those that count who asks."""
    written: set[str] = set()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if match := WRITES.match(sql):
            written.add(match[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield written
    written -= ABOUT_WHO_ASKS


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@committed
def test_a_read_writes_nothing() -> None:
    finished()
    a_removal()
    before = rows_written()
    for route in ROUTES:
        client("viewer").get(address(route))
    assert rows_written() == before


@committed
def test_a_session_needs_its_csrf_token() -> None:
    finished()
    tab = browser("operator")
    url = "/api/batches/b1/retry"
    assert tab.post(url, {"all_failed": True}, format="json").status_code == 403
    assert Batch.objects.get().status == "COMPLETED"
    tab.cookies["csrftoken"] = token = "x" * 32
    headers = {"X-CSRFToken": token, "Origin": "http://testserver"}
    assert tab.post(url, {"all_failed": True}, format="json", headers=headers).status_code == 202


@committed
def test_a_session_refuses_a_foreign_origin() -> None:
    finished()
    tab = browser("operator")
    tab.cookies["csrftoken"] = token = "x" * 32
    headers = {"X-CSRFToken": token, "Origin": "https://evil.example"}
    assert tab.post("/api/batches/b1/retry", {"all_failed": True}, format="json", headers=headers).status_code == 403


def test_a_session_may_read() -> None:
    assert browser("viewer").get("/api/batches").status_code == 200


def test_a_cookie_does_not_help_a_wrong_token() -> None:
    tab = browser("operator")
    assert tab.get("/api/batches", headers={"Authorization": "Token nonsense"}).status_code == 401
    assert tab.get("/api/batches", headers={"Authorization": "Basic abc"}).status_code == 401


def test_a_disabled_user_is_out_at_once() -> None:
    viewer, tab = client("viewer"), browser("viewer")
    User.objects.filter(username="viewer").update(is_active=False)
    assert (viewer.get("/api/batches").status_code, tab.get("/api/batches").status_code) == (401, 401)


def test_a_right_that_is_taken_is_gone_at_once() -> None:
    viewer = client("viewer")
    person("viewer").user_permissions.clear()
    assert viewer.get("/api/batches").status_code == 403


def test_a_stranger_is_told_how_to_sign_in() -> None:
    answer = APIClient().get("/api/batches")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Token")


def test_a_token_that_is_deleted_is_no_token() -> None:
    viewer = client("viewer")
    AccessToken.objects.all().delete()
    assert viewer.get("/api/batches").status_code == 401
