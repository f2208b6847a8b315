"""Processes beside the portal in the bench of sockets: the clients, and the server that is its floor."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

FRAME = 800
APART = "BENCH_APART"


def keep_to(place: slice) -> None:
    """This process, on the first core or on the rest of them, once they are kept apart."""
    cores = sorted(os.sched_getaffinity(0))
    if APART in os.environ:
        os.sched_setaffinity(0, cores[place] or cores)


def client(address: str, token: str, count: int, seconds: float) -> None:
    """So many sockets; prints [completed, seq, time of receipt] of every progress frame."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    seen: list[tuple[int, int, float]] = []

    async def watch(opened: asyncio.Semaphore, ready: asyncio.Event) -> None:
        headers = {"Authorization": f"Token {token}"}
        async with opened:
            socket = await connect(address, additional_headers=headers, compression=None, open_timeout=60)
            await socket.recv()
        ready.set()
        try:
            while True:
                frame, at = await socket.recv(), time.time()
                said = json.loads(frame)
                if said["type"] == "progress":
                    seen.append((said["completed"], said["seq"], at))
        except ConnectionClosed:
            return

    async def run() -> None:
        opened, ready = asyncio.Semaphore(20), [asyncio.Event() for _ in range(count)]
        watching = [asyncio.create_task(watch(opened, one)) for one in ready]
        await asyncio.gather(*(one.wait() for one in ready))
        print("open", file=sys.stderr, flush=True)
        await asyncio.wait(watching, timeout=seconds)
        print(json.dumps(seen), flush=True)
        os._exit(0)

    asyncio.run(run())


def server(port: int, rate: int) -> None:
    """Says the time to everyone, in a frame as long as the portal's."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    def frame() -> str:
        return json.dumps({"type": "progress", "completed": 0, "seq": time.time() * 1000, "rest": "x" * FRAME})

    async def greet(socket: ServerConnection) -> None:
        await socket.send(frame())
        await socket.wait_closed()

    async def run() -> None:
        async with serve(greet, "127.0.0.1", port, compression=None) as serving:
            print("ready", flush=True)
            while True:
                await asyncio.sleep(1 / rate)
                broadcast(serving.connections, frame())

    asyncio.run(run())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["client", address, token, count, seconds]:
            keep_to(slice(1, None))
            client(address, token, int(count), float(seconds))
        case ["server", port, rate]:
            server(int(port), int(rate))
