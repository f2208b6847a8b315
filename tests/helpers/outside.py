"""Processors whose effects are outside: a log file, to which every call appends its idempotency key."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

from batches.processors import Context, ItemError, RetryItem, SkipItem, processor

SIDE_BY_SIDE = 4
together = threading.Barrier(SIDE_BY_SIDE)


def call(payload: dict[str, Any], context: Context) -> None:
    """What reaches the other side; one write of a line is whole, also beside others."""
    line = f"{context.position} {context.idempotency_key} {context.attempt}\n"
    log = os.open(payload["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line.encode())
    os.close(log)


@processor("outside.call", effects="external", parallel=SIDE_BY_SIDE)
def outside(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    call(payload, context)
    return act(payload, context)


@processor("outside.alone", effects="external", parallel=1)
def alone(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    call(payload, context)
    return act(payload, context)


@processor("outside.ask", effects="external", parallel=2, on_unknown="ask")
def unrepeatable(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    call(payload, context)
    return act(payload, context)


def act(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    mode = payload.get("mode", "ok")
    if mode == "together":
        together.wait(29)  # less than an item may take
    elif mode == "again" and context.attempt < 3:
        raise RetryItem("once more", after=0)
    elif mode == "limited" and context.attempt < 6:
        raise ItemError("HTTP 429", code="HTTP_429", category="rate_limit", retryable=True, after=0)
    elif mode == "steps":
        context.once("charge", lambda: call(payload, context))
        if context.attempt == 1:
            raise RetryItem("the second step failed", after=0)
    elif mode == "skip":
        raise SkipItem("nothing to do")
    elif mode == "exit":
        raise SystemExit(3)
    elif mode == "rubbish":
        return {"x": {1, 2}}  # type: ignore[dict-item]
    elif mode == "die":
        os._exit(9)
    elif mode == "slow":
        time.sleep(payload["seconds"])
    elif mode == "busy":
        until = time.monotonic() + 60
        while time.monotonic() < until:
            pass
    return {"position": context.position}


@processor("outside.async", effects="external", parallel=SIDE_BY_SIDE)
async def coroutine(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    async def charge() -> dict[str, int]:
        call(payload, context)
        return {"charged": context.attempt}

    if payload.get("mode") == "slow":
        await asyncio.sleep(60)
    charged = await context.once("charge", charge)
    if payload.get("mode") == "again" and context.attempt == 1:
        raise RetryItem("once more", after=0)
    return charged  # type: ignore[no-any-return]
