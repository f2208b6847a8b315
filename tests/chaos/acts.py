"""What a run can do to the portal. Each act says whether it landed while somebody was at work."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from tests.chaos.portal import LEASE, children_of, descendants_of, is_alive, send
from tests.helpers.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.chaos.run import Run


def kill(run: Run) -> bool:
    pid = run.worker()
    return pid is not None and send(pid, signal.SIGKILL)


def kill_and_await(run: Run) -> bool:
    """Kill, and measure how long it takes until the lane of the dead commits again."""
    pid = run.worker()
    lane = run.lane_of(pid) if pid is not None else None
    if pid is None or lane is None or not send(pid, signal.SIGKILL):
        return False
    began = monotonic()
    return await_commit(run, lane, run.chunks_of(lane), began, run.rescues)


def await_commit(run: Run, lane: int, chunks: int, began: float, measured: list[float]) -> bool:
    while run.chunks_of(lane) == chunks:
        if run.status() == "COMPLETED" or monotonic() - began > 60:
            return False
        time.sleep(0.002)
    measured.append(monotonic() - began)
    return True


def kill_parent(run: Run) -> bool:
    """Celery's own process dies; its children must not outlive it."""
    pid = run.portal.celery()
    if run.worker() is None or pid is None:
        return False
    children = children_of(pid)
    began = monotonic()
    if not send(pid, signal.SIGKILL):
        return False
    see_them_end(run, children)
    run.orphans.append(monotonic() - began)
    return True


def deploy(run: Run) -> bool:
    """SIGTERM, as an update of the portal sends: items in hand are finished and kept, and everybody goes with 0."""
    keeper = run.portal.keeper
    if run.worker() is None or keeper is None or run.portal.celery() is None:
        return False
    run.thaw(wait=True)  # who is frozen cannot end by himself
    everybody, began = descendants_of(keeper.pid), monotonic()
    keeper.terminate()
    code = keeper.wait(PATIENCE)
    run.deploys.append(monotonic() - began)
    if code != 0:
        run.broken.append(f"the keeper of the worker ended with {code}")
    see_them_end(run, everybody)
    if run.held():
        run.broken.append("a lane is held after everybody has gone")
    run.portal.hire()
    return True


def see_them_end(run: Run, processes: list[int]) -> None:
    until = monotonic() + 60
    while left := [pid for pid in processes if is_alive(pid)]:
        if monotonic() > until:
            run.broken.append(f"{len(left)} processes outlive their parent")
            return
        time.sleep(0.01)


def freeze(run: Run) -> bool:
    """Stop a worker beyond its lease; it is woken later, when somebody else has its lane."""
    pid = run.worker()
    if pid is None or not send(pid, signal.SIGSTOP):
        return False
    run.frozen.append((monotonic() + LEASE * run.random.uniform(1.1, 2), pid))
    return True


def freeze_and_await(run: Run) -> bool:
    """As when a whole host stands still: nobody sees a death, only the lease runs out."""
    pid = run.worker()
    lane = run.lane_of(pid) if pid is not None else None
    if pid is None or lane is None or not send(pid, signal.SIGSTOP):
        return False
    began = monotonic()
    time.sleep(0.05)  # a commit that was on its way arrives
    landed = await_commit(run, lane, run.chunks_of(lane), began, run.thaws)
    send(pid, signal.SIGCONT)
    return landed


def disconnect(run: Run) -> bool:
    from tests.chaos import checker

    sql = """SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
      WHERE application_name = 'batchportal' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) one"""
    return run.worker() is not None and bool(run.asked(lambda: checker.one(sql)))


def lose_reply(run: Run) -> bool:
    """Somebody's next commit is done and its reply lost, or, three times of ten, it never arrives."""
    wire = run.portal.wire
    if wire is None or run.worker() is None:
        return False
    before = wire.landed
    wire.cut("before" if run.random.random() < 0.3 else "after")
    until = monotonic() + 10
    while wire.landed == before and monotonic() < until:
        time.sleep(0.005)
    return wire.landed > before


def crash(run: Run) -> bool:
    """The database server dies with all its processes, and comes back after a moment."""
    if run.worker() is None or run.portal.postgresql is None:
        return False
    run.portal.postgresql.kill()
    time.sleep(run.random.uniform(0, 1))
    run.portal.postgresql.start()
    return True


def lose_broker(run: Run) -> bool:
    """The broker dies with all its messages."""
    if run.worker() is None or run.portal.valkey is None:
        return False
    run.portal.valkey.kill()
    time.sleep(run.random.uniform(0, 1))
    run.portal.valkey.start()
    return True


def move_clock(run: Run) -> bool:
    """Every worker's clock is wrong by another span of up to 25 hours; on SQLite all of them by the same."""
    whose = "each" if run.portal.postgresql is not None else "all"
    run.portal.clock.write_text(f"{run.random.choice((1, 25))}.{run.random.randrange(10**6):06} {whose}")
    return run.worker() is not None


def fill_disk(run: Run) -> bool:
    """Nothing can be written for a while; what the database's server then needs is to be started again."""
    disk, server = run.portal.disk, run.portal.postgresql
    if disk is None or run.worker() is None:
        return False
    disk.fill()
    time.sleep(run.random.uniform(0.5, 3))
    disk.free()
    if server is not None and server.process is not None and server.process.poll() is not None:
        server.kill()
        server.start()
    return True


def redeliver(run: Run) -> bool:
    """Every message five times at once, and two sweeps."""
    from batches import tasks

    for lane in range(run.options.lanes):
        for _ in range(5):
            tasks.enqueue_slice(run.batch_id, lane)
    for _ in range(2):
        tasks.sweep.apply_async()
    return run.worker() is not None


def change_schema(run: Run) -> bool:
    """A release adds a column under the feet of workers of the one before."""
    run.columns += 1
    run.execute(f"ALTER TABLE batches_item ADD COLUMN of_a_release_{run.columns} integer NULL")
    run.execute(f"ALTER TABLE batches_checkpoint ADD COLUMN of_a_release_{run.columns} integer NULL")
    return run.worker() is not None


def adjust(run: Run) -> bool:
    """Another number of lanes, in the middle of it."""
    from batches import operations
    from batches.exceptions import InvalidTransition

    if run.worker() is None:
        return False
    lanes = run.random.randint(1, run.options.lanes)
    try:
        run.asked(lambda: operations.adjust(run.batch_id, concurrency=lanes, actor="chaos"))
    except InvalidTransition:
        return False
    return True


def pause(run: Run) -> bool:
    """Pause, see that nothing happens after it is paused, resume."""
    from batches import operations
    from batches.exceptions import InvalidTransition

    if run.worker() is None:
        return False
    began = monotonic()
    try:
        run.asked(lambda: operations.pause(run.batch_id, actor="chaos"))
    except InvalidTransition:
        return False
    at = await_rest(run, run.batch_id)
    if run.status() == "COMPLETED":
        return True
    run.pauses.append(at - began)
    see_that_nothing_happens(run, run.batch_id)
    run.asked(lambda: operations.resume(run.batch_id, actor="chaos"))
    return True


def cancel(run: Run) -> bool:
    """Begin a batch beside the other, cancel it, see that nothing happens after that and that its work is kept."""
    from batches import operations
    from tests.chaos import checker

    name = f"cancelled-{len(run.cancels)}"
    items = [{"ms": 10}] * 2_000
    run.asked(lambda: operations.submit(processor="chaos.ledger", items=items, batch_id=name))
    run.asked(lambda: operations.start(name, actor="chaos"))
    until = monotonic() + 60
    while run.ledger(name) < 20 and monotonic() < until:
        time.sleep(0.01)
    began = monotonic()
    run.asked(lambda: operations.cancel(name, actor="chaos"))
    run.cancels.append(await_rest(run, name) - began)
    see_that_nothing_happens(run, name)
    done = checker.one("SELECT count(*) FROM batches_item WHERE batch_id = %s AND status = 'SUCCEEDED'", name)
    if done != run.ledger(name) or run.status(name) != "CANCELLED":
        run.broken.append(f"{name}: {done} items done, {run.ledger(name)} effects, {run.status(name)}")
    run.broken += [f"{name}: {fault}" for fault in operations.verify(name)]
    return True


def await_rest(run: Run, batch_id: str) -> float:
    """When the batch was seen at rest."""
    until = monotonic() + PATIENCE
    while run.status(batch_id) not in ("PAUSED", "CANCELLED", "COMPLETED") and monotonic() < until:
        time.sleep(0.002)
    return monotonic()


def see_that_nothing_happens(run: Run, batch_id: str) -> None:
    before: Any = run.ledger(batch_id)
    time.sleep(0.3)
    if (after := run.ledger(batch_id)) != before:
        run.broken.append(f"{batch_id}: {after - before} effects at rest")


ACTS: dict[str, Callable[[Run], bool]] = {
    "kills": kill,
    "rescues": kill_and_await,
    "parents": kill_parent,
    "deploys": deploy,
    "freezes": freeze,
    "thaws": freeze_and_await,
    "disconnects": disconnect,
    "replies": lose_reply,
    "crashes": crash,
    "brokers": lose_broker,
    "redeliveries": redeliver,
    "clocks": move_clock,
    "disks": fill_disk,
    "schemas": change_schema,
    "adjustments": adjust,
    "pauses": pause,
    "cancels": cancel,
}
