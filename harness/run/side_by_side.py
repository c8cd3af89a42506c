"""Work in several processes, that stops at once when somebody wants it to."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeVar

from harness.errors import BenchError

Job = TypeVar("Job")
Result = TypeVar("Result")
REAP_S = 0.005
LOOK_S = 1.0  # how often we look for dead processes ourselves: the pool misses one that dies while it is started


def side_by_side(work: Callable[[Job], Result], jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, Result]]:
    """Every job with its result, as they are done, in processes started fresh.

    Whatever ends this early (an error of a job, which is raised here; Ctrl-C; a consumer that stops) ends the
    processes, too: nothing runs on, and no job that has not begun begins. Raises BenchError when one of them dies.
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(jobs)), mp_context=context, initializer=follow_parent)
    try:
        running = {pool.submit(work, job): job for job in jobs}
        left, ours = set(running), _started_since(before)
        while left:
            finished, left = wait(left, LOOK_S, FIRST_COMPLETED)
            ours |= _started_since(before)
            if not finished and not all(process.is_alive() for process in ours):
                raise BrokenProcessPool
            for done in finished:
                yield running[done], done.result()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        _end(_started_since(before))
        if isinstance(error, BrokenProcessPool):
            raise BenchError(f"one of {processes} processes died without a word: out of memory?") from error
        raise
    pool.shutdown()


def _started_since(before: set[BaseProcess]) -> set[BaseProcess]:
    return set(multiprocessing.active_children()) - before


def _end(processes: set[BaseProcess]) -> None:
    """Kill and reap. Not with `join`: it returns early where the pool's own thread reaps the same process."""
    for process in processes:
        process.kill()
    while any(process.is_alive() for process in processes):
        time.sleep(REAP_S)


def follow_parent() -> None:
    """A terminal sends Ctrl-C to all processes of a job; only the first is to say that it stops. And when the first is
    killed, nobody is left to stop the others: they end by themselves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
