"""Reads what is wanted, runs the rounds, prints the table."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections import defaultdict

import psycopg2

from tests.bench import report
from tests.bench.peers.environments import NotToBeHad, python_of, version_of
from tests.bench.peers.registry import PEERS, PORTAL, Peer
from tests.bench.peers.rendering import rendered
from tests.bench.peers.timing import Bench, DidNotWork, Run
from tests.servers.postgresql import PostgreSQL
from tests.servers.starter import end_in_order
from tests.servers.valkey import Valkey

DURABLE = ("fsync=on", "synchronous_commit=on")


def main() -> None:
    options = arguments()
    end_in_order()
    wanted = [peer for peer in PEERS if peer is PORTAL or not options.only or peer.name in options.only]
    left_out: dict[Peer, str] = {}
    pythons: dict[Peer, str] = {}
    for peer in wanted:
        try:
            pythons[peer] = python_of(peer.module)
        except NotToBeHad as error:
            left_out[peer] = str(error)
    server, valkey = PostgreSQL(settings=DURABLE).start(), Valkey().start()
    try:
        with tempfile.TemporaryDirectory() as var:
            items = {peer: int(options.items * peer.share) for peer in pythons}
            load = os.getloadavg()[0]
            runs = rounds(Bench(server, valkey, var), pythons, items, left_out, options)
            about = f"{report.machine(version_at(server.url()))} {how_busy(load, os.getloadavg()[0])} {options.rounds} "
            about += f"rounds, each in an order shuffled by the seed {options.seed}."
    finally:
        valkey.stop()
        server.stop()
    text = rendered(runs, items, {peer: version_of(peer.module) for peer in runs}, left_out, about)
    print(text)
    if options.write:
        report.write_section("peers", text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers")
    parser.add_argument("--items", type=int, default=20_000, help="of the fast ones; the others have a part of it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("PORTAL_SEED", "1")))
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], help="beside the portal")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write is for a run of everybody.")
    return options


def rounds(
    bench: Bench,
    pythons: dict[Peer, str],
    items: dict[Peer, int],
    left_out: dict[Peer, str],
    options: argparse.Namespace,
) -> dict[Peer, list[Run]]:
    """Every peer's runs, one a round; a peer that fails once is left out from then on, which `left_out` says."""
    runs: dict[Peer, list[Run]] = defaultdict(list)
    order = random.Random(options.seed)
    for number in range(options.rounds):
        turns = [peer for peer in pythons if peer not in left_out]
        order.shuffle(turns)
        for peer in turns:
            try:
                run = bench.run(peer, pythons[peer], items[peer])
            except DidNotWork as error:
                if peer is PORTAL:
                    raise
                print(error, flush=True)
                left_out[peer] = "its worker did not do the work here"
                runs.pop(peer, None)
                continue
            runs[peer].append(run)
            print(
                f"round {number + 1}  {peer.name:<20} {run.speed:>8,.0f} items/s   CPU an item, us: worker "
                f"{run.client:,.0f}, servers {run.server:,.0f}   load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    return {peer: runs[peer] for peer in PEERS if peer in runs}


def how_busy(before: float, after: float) -> str:
    """The load average over a minute, at rest before the first run and after the last one."""
    busy = "the machine had nothing else to do" if before < 0.5 else "others used the machine at the same time"
    return f"Load {before:.1f} before, {after:.1f} at the end: {busy}."


def version_at(url: str) -> str:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()  # type: ignore[misc]
    connection.close()
    return str(version)


if __name__ == "__main__":
    main()
