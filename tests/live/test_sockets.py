"""The progress socket, as a client sees it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from batches import operations, progress_tracker
from batches.engine import runner
from batches.live.admission import Refused, check_origin, is_secure
from batches.models import AccessToken
from tests.helpers.batches import modes, submitted
from tests.helpers.people import key_of, person
from tests.helpers.sockets import Web, by_cookie, by_token, close_code, frames, path_of
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.full_on("postgresql")


def test_it_sends_a_snapshot_then_what_happens_then_the_final_state_and_closes(engine: None, web: Web) -> None:
    batch = submitted(modes(*["ok"] * 39, "error"), max_attempts=1)
    with web.socket(path_of(batch), **by_token()) as socket:
        said = frames(socket)
        first = next(said)
        assert (first["type"], first["status"], first["total_items"]) == ("progress", "PENDING", 40)
        operations.start(batch.pk, actor="ana")
        runner.work_until_idle(batch.pk)
        rest = list(said)
        assert socket.close_code == 1000
    last = rest[-1]
    assert (last["type"], last["status"], last["outcome"]) == ("progress", "COMPLETED", "with_errors")
    assert (last["completed"], last["failed"], last["remaining"], last["eta_seconds"]) == (39, 1, 0, None)
    assert [f["milestone"] for f in rest if f["type"] == "milestone"] == [25, 50, 75, 100]
    moves = [(f["from"], f["to"], f["actor"]) for f in rest if f["type"] == "status"]
    assert moves == [
        ("PENDING", "QUEUED", "ana"),
        ("QUEUED", "RUNNING", "worker"),
        ("RUNNING", "COMPLETED", "worker"),
    ]
    seqs = [frame["seq"] for frame in (first, *rest)]
    assert seqs == sorted(set(seqs))
    assert {frame["batch_id"] for frame in rest} == {batch.pk}


def test_it_closes_when_a_script_has_counted_its_last_item(engine: None, web: Web) -> None:
    progress_tracker.start_batch("by-hand", 4)
    with web.socket("/ws/batches/by-hand/progress", **by_token()) as socket:
        shown = frames(socket)
        first = next(shown)
        assert first["sentence"].startswith("Driven by a script")
        assert first["ad_hoc"]
        for _ in range(4):
            progress_tracker.increment_completed("by-hand")
        rest = list(shown)
        assert socket.close_code == 1000
    assert (rest[-1]["status"], rest[-1]["outcome"], rest[-1]["completed"]) == ("COMPLETED", "clean", 4)
    assert [frame["milestone"] for frame in rest if frame["type"] == "milestone"] == [25, 50, 75, 100]


def test_it_sends_the_same_record_as_rest(engine: None, web: Web) -> None:
    batch = submitted(modes("ok"))
    rest = Client(headers={"Authorization": f"Token {key_of('viewer')}"}).get(f"/api/batches/{batch.pk}/progress")
    with web.socket(path_of(batch), **by_token()) as socket:
        frame = next(frames(socket))
    assert {name: value for name, value in frame.items() if name not in ("type", "seq")} == rest.json()


def test_it_closes_at_once_after_the_final_state_of_a_finished_batch(engine: None, web: Web) -> None:
    batch = submitted(modes("ok"))
    operations.cancel(batch.pk, actor="ana")
    with web.socket(path_of(batch), **by_token()) as socket:
        assert [frame["status"] for frame in frames(socket)] == ["CANCELLED"]
        assert socket.close_code == 1000


def test_it_follows_many_batches_over_one_socket(engine: None, web: Web) -> None:
    one, two = submitted(modes("ok")), submitted(modes("ok"))
    with web.socket(f"/ws/progress?batch={one.pk}&batch={two.pk}", **by_token()) as socket:
        said = frames(socket)
        assert {next(said)["batch_id"], next(said)["batch_id"]} == {one.pk, two.pk}
        operations.cancel(one.pk, actor="ana")
        assert next(f for f in said if f["type"] == "progress")["status"] == "CANCELLED"
        operations.cancel(two.pk, actor="ana")
        assert list(said)[-1]["batch_id"] == two.pk
        assert socket.close_code == 1000


@pytest.mark.parametrize(
    ("role", "code"), [("anonymous", 403), ("charlie", 403), ("viewer", 101), ("operator", 101), ("admin", 101)]
)
def test_it_asks_who_may_watch_before_it_accepts(engine: None, web: Web, role: str, code: int) -> None:
    path = path_of(submitted(modes("ok")))
    if role == "anonymous":
        assert web.refusal(path, origin=web.origin) == code
        return
    assert web.refusal(path, **by_token(role)) == code
    assert web.refusal(path, **by_cookie(role, web.origin)) == code


def test_it_refuses_pages_of_other_sites_and_tokens_that_are_none(engine: None, web: Web) -> None:
    path = path_of(submitted(modes("ok")))
    assert web.refusal(path, **by_cookie("viewer", "http://evil.example")) == 403
    assert web.refusal(path, **by_cookie("viewer", None)) == 403
    assert web.refusal(path, origin="http://evil.example", **by_token()) == 403
    assert web.refusal(path, additional_headers={"Authorization": "Token nope"}) == 403
    assert web.refusal(path, additional_headers={"Authorization": "Basic eDp5"}) == 403
    assert web.refusal(path, subprotocols=["batchportal", "token.nope"]) == 403


def origins(port: int) -> list[str | None]:
    """What pages of other sites name, or what could pass for ours; only the last one is ours."""
    host = f"127.0.0.1:{port}"
    return [
        None,
        "null",
        "http://evil.example",
        f"http://127.0.0.1.evil.example:{port}",
        f"http://evil-{host}",
        f"http://127.0.0.1:{port + 1}",
        "http://127.0.0.1",
        f"https://{host}",
        f"HTTP://{host}",
        f"http://localhost:{port}",
        f"http://xn--127-0.0.1:{port}",
        f"http://[::1]:{port}",
        f"http://user@{host}",
        f"http://{host}/",
        f"http://{host}",
    ]


def test_it_welcomes_one_origin_of_fifteen(engine: None, web: Web) -> None:
    path = path_of(submitted(modes("ok")))
    answers = [web.refusal(path, **by_cookie("viewer", origin)) for origin in origins(web.port)]
    assert answers == [403] * 14 + [101]
    assert web.refusal(path, origin=f"https://127.0.0.1:{web.port}", **by_token()) == 403


@pytest.mark.parametrize(
    ("headers", "secure", "welcome"),
    [
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, False, True),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, True, False),
        ({"host": "localhost:8000", "origin": "https://localhost:8000"}, True, True),
        ({"host": "localhost:8000"}, False, True),
        ({"host": "localhost:8000", "origin": ""}, False, False),
        ({"host": "localhost:8000", "origin": "https://front.example"}, False, True),
        ({"host": "localhost:8000", "origin": "http://front.example"}, False, False),
        ({"host": "evil.example", "origin": "http://evil.example"}, False, False),
        ({}, False, False),
    ],
)
def test_it_welcomes_only_its_own_pages(settings: Any, headers: dict[str, str], secure: bool, welcome: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://front.example"]
    if welcome:
        check_origin(headers, secure=secure)
        return
    with pytest.raises(Refused):
        check_origin(headers, secure=secure)


def test_it_believes_a_proxy_only_if_it_was_told_of_one(settings: Any) -> None:
    said = {"x-forwarded-proto": "https"}
    assert not is_secure({"scheme": "ws"}, said)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_secure({"scheme": "ws"}, said)
    assert not is_secure({"scheme": "ws"}, {"x-forwarded-proto": "http"})


def test_it_has_no_room_for_an_eleventh_socket_of_one_account_until_one_is_closed(engine: None, web: Web) -> None:
    path = path_of(submitted(modes("ok")))
    with ExitStack() as opened:
        sockets = [opened.enter_context(web.socket(path, **by_token())) for _ in range(10)]
        assert web.refusal(path, **by_token()) == 429
        assert web.refusal(path, **by_cookie("viewer", web.origin)) == 429
        assert web.refusal(path, **by_token("operator")) == 101
        sockets[0].close()
        wait_until(lambda: web.refusal(path, **by_token()) == 101)
    assert web.refusal("/ws/batches/nope/progress", **by_token()) == 404


def test_it_does_not_take_the_cookie_beside_a_wrong_token(engine: None, web: Web) -> None:
    cookie = by_cookie("viewer", web.origin)
    cookie["additional_headers"]["Authorization"] = "Token nope"
    assert web.refusal(path_of(submitted(modes("ok"))), **cookie) == 403


def test_it_takes_a_token_where_a_browser_can_put_one(engine: None, web: Web) -> None:
    path = path_of(submitted(modes("ok")))
    with web.socket(path, subprotocols=["batchportal", f"token.{key_of('viewer')}"]) as socket:
        assert socket.subprotocol == "batchportal"
        assert next(frames(socket))["type"] == "progress"


def test_it_knows_no_batch_that_is_not_there(engine: None, web: Web) -> None:
    batch = submitted(modes("ok"))
    assert web.refusal("/ws/batches/nope/progress", **by_token()) == 404
    assert web.refusal(f"/ws/progress?batch={batch.pk}&batch=nope", **by_token()) == 404
    assert web.refusal("/ws/progress", **by_token()) == 404
    assert web.refusal("/ws/elsewhere", **by_token()) == 404
    assert web.refusal("/ws/batches/nope/progress") == 403


def take_right() -> None:
    person("viewer").user_permissions.clear()


def close_account() -> None:
    type(person("viewer")).objects.filter(username="viewer").update(is_active=False)


def change_password() -> None:
    user = person("viewer")
    user.set_password("another-pass-word")
    user.save()


def sign_out() -> None:
    Session.objects.all().delete()


def revoke_token() -> None:
    operations.revoke_token(AccessToken.objects.get(), actor="ana")


@pytest.mark.parametrize("lose", [take_right, close_account, change_password, sign_out, revoke_token])
def test_it_closes_when_the_right_is_lost(engine: None, web: Web, lose: Any) -> None:
    how = by_token() if lose is revoke_token else by_cookie("viewer", web.origin)
    with web.socket(path_of(submitted(modes("ok"))), **how) as socket:
        assert next(frames(socket))["type"] == "progress"
        lose()
        assert close_code(socket) == 4403


def test_it_ignores_what_a_client_says_unless_it_is_long(engine: None, web: Web) -> None:
    batch = submitted(modes("ok"))
    with web.socket(path_of(batch), **by_token()) as socket:
        socket.send("{" * 4096)
        socket.send(b"\xff" * 4096)
        assert next(frames(socket))["type"] == "progress"
        socket.send("x" * 4097)
        assert close_code(socket) == 1009


def test_it_closes_when_its_batch_is_deleted(engine: None, web: Web) -> None:
    batch = submitted(modes("ok"))
    with web.socket(path_of(batch), **by_token()) as socket:
        next(frames(socket))
        batch.delete()
        assert close_code(socket) == 4404
