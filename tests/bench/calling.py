"""The calls of `bench.calls`: as processors, and as the bare loops beside them, both with one client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from batches.processors import Context, processor

TIMEOUT = 30.0  # seconds


def address() -> str:
    return os.environ["BENCH_RECEIVER"]


def limits(parallel: int) -> httpx.Limits:
    return httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel)


def request_of(n: int, key: str) -> dict[str, Any]:
    """What is sent, by the names of httpx."""
    return {"json": {"n": n, "name": "item"}, "headers": {"Idempotency-Key": key}}


def register(parallel: int) -> None:
    """The processors `bench.threads_N` and `bench.coroutines_N`."""

    @contextmanager
    def client() -> Iterator[httpx.Client]:
        with httpx.Client(limits=limits(parallel), timeout=TIMEOUT) as opened:
            yield opened

    @asynccontextmanager
    async def async_client() -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(limits=limits(parallel), timeout=TIMEOUT) as opened:
            yield opened

    @processor(f"bench.threads_{parallel}", effects="external", parallel=parallel, per_slice=client)
    def call(payload: dict[str, Any], context: Context) -> Any:
        return context.per_slice.post(address(), **request_of(payload["n"], context.idempotency_key)).json()

    @processor(f"bench.coroutines_{parallel}", effects="external", parallel=parallel, per_slice=async_client)
    async def call_in_coroutine(payload: dict[str, Any], context: Context) -> Any:
        return (await context.per_slice.post(address(), **request_of(payload["n"], context.idempotency_key))).json()


def bare_threads(calls: int, parallel: int) -> None:
    """So many threads, each of which makes one call after the other."""
    with httpx.Client(limits=limits(parallel), timeout=TIMEOUT) as client, ThreadPoolExecutor(parallel) as threads:

        def call(n: int) -> Any:
            return client.post(address(), **request_of(n, f"{n:064x}")).json()

        for _ in threads.map(call, range(calls)):
            pass


def bare_coroutines(calls: int, parallel: int) -> None:
    """So many coroutines, each of which makes one call after the other."""
    numbers = iter(range(calls))

    async def call_on(client: httpx.AsyncClient) -> None:
        for n in numbers:
            (await client.post(address(), **request_of(n, f"{n:064x}"))).json()

    async def run() -> None:
        async with httpx.AsyncClient(limits=limits(parallel), timeout=TIMEOUT) as client:
            await asyncio.gather(*(call_on(client) for _ in range(parallel)))

    asyncio.run(run())


BARE = {"threads": bare_threads, "coroutines": bare_coroutines}
