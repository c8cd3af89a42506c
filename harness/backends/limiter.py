"""Limits local processes to a share of cores by stopping and continuing them, where no control group is writable.

A token bucket per process: credit grows with the cores granted and shrinks with the CPU time used. Out of credit, the
process is stopped (SIGSTOP) until the credit has come back. Runs as its own small process, so that the harness' own
work does not disturb the duty cycle: `python -m harness.backends.limiter`.

It reads JSON lines and answers each: `{"pid", "cores"}` limits a process (`"cores": null` frees it), `{"pid"}` asks;
the answer is `{"pid", "cores", "stopped_s"}`, or `{"pid", "error"}`. End of input: every process is continued, then
the limiter ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import psutil

PERIOD_S = 0.020  # the most a stopped process waits at once is about this long
CHECK_S = 0.001  # no check sooner than this: the limiter must not eat the cores it divides
LONGEST_CHECK_S = 0.100


@dataclass(frozen=True, slots=True)
class Bucket:
    """Credit of one process. `at_s` and `cpu_s` are the last readings of the clock and of its CPU time."""

    cores: float
    at_s: float
    cpu_s: float
    credit_s: float = 0.0
    running: bool = True
    stopped_s: float = 0.0

    @property
    def depth_s(self) -> float:
        """The most CPU time that can be saved up: what the cores yield in one period."""
        return self.cores * PERIOD_S


def stepped(bucket: Bucket, now_s: float, cpu_s: float) -> Bucket:
    """The bucket after a reading: credit earned and spent, and whether the process may run from now on.

    Stopped below zero, continued at half of the depth: a process that flaps at zero would live on signals.
    """
    elapsed_s = now_s - bucket.at_s
    credit_s = min(bucket.depth_s, bucket.credit_s + bucket.cores * elapsed_s) - (cpu_s - bucket.cpu_s)
    running = credit_s > 0 if bucket.running else credit_s >= bucket.depth_s / 2
    stopped_s = bucket.stopped_s + (0.0 if bucket.running else elapsed_s)
    return replace(bucket, at_s=now_s, cpu_s=cpu_s, credit_s=credit_s, running=running, stopped_s=stopped_s)


def next_check_s(bucket: Bucket, parallel: int) -> float:
    """When to look again: when the credit can be used up at the earliest (`parallel` cores busy), or has come back."""
    missing_s = bucket.depth_s / 2 - bucket.credit_s
    wait_s = bucket.credit_s / parallel if bucket.running else missing_s / bucket.cores
    return bucket.at_s + min(LONGEST_CHECK_S, max(CHECK_S, wait_s))


def cpu_time_s(pid: int) -> float:
    """CPU time a process has used, all threads, in nanosecond steps where the kernel offers its clock (Linux).

    Raises OSError or psutil.Error when the process is gone.
    """
    if sys.platform == "linux":
        return time.clock_gettime(~pid << 3 | 2)  # the clock id of a process, see clock_getcpuclockid(3)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class Limiter:
    """Holds processes to their shares. `serve` blocks until the input ends."""

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._buckets: dict[int, Bucket] = {}

    def command(self, line: str) -> dict[str, Any]:
        """Obey one line and answer it."""
        asked = json.loads(line)
        pid = int(asked["pid"])
        try:
            if "cores" in asked:
                self._limit(pid, asked["cores"])
        except (OSError, psutil.Error) as error:
            return {"pid": pid, "error": f"process {pid}: {error}"}
        bucket = self._buckets.get(pid)
        if bucket is None:
            return {"pid": pid, "cores": None, "stopped_s": 0.0}
        return {"pid": pid, "cores": bucket.cores, "stopped_s": bucket.stopped_s}

    def step(self, now_s: float) -> float:
        """Look at every process that is due; returns when to look again."""
        for pid, bucket in list(self._buckets.items()):
            if next_check_s(bucket, self._parallel) <= now_s:
                self._look(pid, bucket, now_s)
        return min((next_check_s(b, self._parallel) for b in self._buckets.values()), default=now_s + LONGEST_CHECK_S)

    def release(self) -> None:
        """Continue every process and forget it."""
        for pid in list(self._buckets):
            self._forget(pid)

    def _limit(self, pid: int, cores: float | None) -> None:
        if cores is None:
            self._forget(pid)
            return
        old = self._buckets.get(pid)
        if old is None:
            self._buckets[pid] = Bucket(cores, time.monotonic(), cpu_time_s(pid))
        else:
            self._buckets[pid] = replace(old, cores=cores, credit_s=min(old.credit_s, cores * PERIOD_S))

    def _look(self, pid: int, bucket: Bucket, now_s: float) -> None:
        try:
            after = stepped(bucket, now_s, cpu_time_s(pid))
            if after.running != bucket.running:
                os.kill(pid, signal.SIGCONT if after.running else signal.SIGSTOP)
        except (OSError, psutil.Error):
            del self._buckets[pid]  # it has ended
            return
        self._buckets[pid] = after

    def _forget(self, pid: int) -> None:
        if self._buckets.pop(pid, None) is not None:
            wake(pid)


def wake(pid: int) -> None:
    """Continue a process if it still exists."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _lines(descriptor: int, rest: bytearray) -> Iterator[str] | None:
    """Whole lines that have arrived, or None at the end of input. Call when the descriptor is readable."""
    chunk = os.read(descriptor, 65536)
    if not chunk:
        return None
    rest += chunk
    whole, _, tail = rest.rpartition(b"\n")
    rest[:] = tail
    return iter(whole.decode().splitlines())


def main() -> None:
    """Serve standard input until it ends."""
    limiter, rest = Limiter(os.cpu_count() or 1), bytearray()
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    try:
        while True:
            next_s = limiter.step(time.monotonic())
            if not selector.select(max(0.0, next_s - time.monotonic())):
                continue
            lines = _lines(sys.stdin.fileno(), rest)
            if lines is None:
                return
            for line in lines:
                print(json.dumps(limiter.command(line)), flush=True)
    finally:
        limiter.release()


if __name__ == "__main__":
    main()
