"""The threads that make the calls of a slice: kept from call to call, with nothing of one call left for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from queue import SimpleQueue

import pytest

from batches.engine.call_threads import Call, CallThreads
from batches.exceptions import ItemTimeout
from batches.lanes.outcomes import Claimed

pytestmark = pytest.mark.any_database
SECONDS = 20.0
current_item: ContextVar[int] = ContextVar("current_item")
Act = Callable[[Call], object]


class Made:
    """Calls made by the threads: each is given its act, and answers with what that returned or raised."""

    def __init__(self) -> None:
        self.acts: dict[int, Act] = {}
        self.answers: SimpleQueue[tuple[int, object]] = SimpleQueue()
        self.threads = CallThreads(self._run)

    def begin(self, item_id: int, act: Act, in_flight: int = 1) -> Call:
        self.acts[item_id] = act
        call = Call(Claimed(item_id, item_id, str(item_id), "{}", 0, 0, 0, None), 0.0)
        self.threads.begin(call, in_flight)
        return call

    def answer(self) -> object:
        return self.answers.get(timeout=SECONDS)[1]

    def _run(self, call: Call) -> None:
        call.enter()
        try:
            try:
                answer = self.acts[call.item.id](call)
            finally:
                call.leave()
        except ItemTimeout as timeout:
            answer = timeout
        self.answers.put((call.item.id, answer))


@pytest.fixture
def made() -> Iterator[Made]:
    calls = Made()
    yield calls
    calls.threads.close()


def thread_of(call: Call) -> object:
    return threading.current_thread()


def test_it_makes_one_call_after_the_other_in_one_thread(made: Made) -> None:
    threads = []
    for item_id in range(5):
        made.begin(item_id, thread_of)
        threads.append(made.answer())
    assert len(set(threads)) == 1


def test_it_has_a_thread_for_every_call_that_is_out_and_ends_them_all(made: Made) -> None:
    together = threading.Barrier(3)

    def meet(call: Call) -> object:
        together.wait(SECONDS)
        return threading.current_thread()

    for item_id in range(3):
        made.begin(item_id, meet, in_flight=item_id + 1)
    threads = {made.answer() for _ in range(3)}
    assert len(threads) == 3
    made.threads.close()
    for thread in threads:
        assert isinstance(thread, threading.Thread)
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_it_leaves_the_next_call_no_context_variable(made: Made) -> None:
    made.begin(1, lambda call: current_item.set(1))
    made.answer()
    made.begin(2, lambda call: current_item.get(0))
    assert made.answer() == 0


def test_it_interrupts_the_call_at_its_very_end_and_not_the_next(made: Made) -> None:
    def interrupted_last(call: Call) -> None:
        call.interrupt()

    first = made.begin(1, interrupted_last)
    assert isinstance(made.answer(), ItemTimeout)
    first.interrupt()
    made.begin(2, lambda call: sum(range(100_000)))
    assert made.answer() == sum(range(100_000))


def test_it_does_not_interrupt_the_next_call_when_one_ended_by_its_own_timeout(made: Made) -> None:
    def gave_up(call: Call) -> None:
        raise ItemTimeout("the receiver's")

    first = made.begin(1, gave_up)
    assert isinstance(made.answer(), ItemTimeout)
    first.interrupt()
    made.begin(2, lambda call: sum(range(100_000)))
    assert made.answer() == sum(range(100_000))
