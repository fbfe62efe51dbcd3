"""Threads for disk work: a few for each volume, one for the index, none shared.

Owns    daemon threads: one that hangs in a dead disk must not keep the process from ending, which
        the executor of the standard library would.
Keeps   1. The event loop never waits for a disk; it waits for a Future at most.
        2. What goes through one Strand runs in order and never twice at once.
        3. An error is the caller's: it is in the Future.
Bound   the number of threads is fixed; what queues is bounded by whoever submits.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

T = TypeVar("T")
STOP_S: Final = 5.0
"""How long stop() waits for each thread; one that hangs longer is left to the process's end."""

_Job = tuple["Future[Any]", Callable[[], Any]]


class Workers:
    """A fixed number of threads that take jobs in the order in which they came."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[..., T], *args: Any) -> "Future[T]":  # noqa: ANN401
        """Have work(*args) done by one of the threads."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: work(*args)))
        return future

    async def run(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have it done and wait for it. Whoever is cancelled meanwhile does not undo it."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(work, *args)))

    def stop(self) -> None:
        """End the threads once their jobs are done; waits STOP_S for each."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(STOP_S)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _settle(*job)
            del job  # a future kept here would keep a segment's bytes until the next job


class Strand:
    """Jobs that must not overtake each other, on threads that others use too."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting: deque[_Job] = deque()
        self._busy = False

    def submit(self, work: Callable[..., T], *args: Any) -> "Future[T]":  # noqa: ANN401
        """Have work(*args) done after everything that was submitted here before."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, lambda: work(*args)))
            if self._busy:
                return future
            self._busy = True
        self._workers.submit(self._next)
        return future

    def _next(self) -> None:
        """One job, then back to the end of the line: no camera keeps a thread from the others."""
        with self._lock:
            job = self._waiting.popleft()
        _settle(*job)
        with self._lock:
            self._busy = bool(self._waiting)
            if not self._busy:
                return
        self._workers.submit(self._next)


def _settle(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - a supervisor's edge: the caller gets it
        future.set_exception(error)
    else:
        future.set_result(result)


async def wait_for(futures: "list[Future[Any]]", seconds: float) -> None:
    """Wait until all are done, at most that long; whoever is not done then goes on."""
    wrapped = [asyncio.wrap_future(future) for future in futures]
    for future in wrapped:
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
    if wrapped:
        await asyncio.wait(wrapped, timeout=seconds)
