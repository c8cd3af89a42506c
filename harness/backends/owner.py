"""Who owns what a run created, so that `clean` can tell a live run's things from a dead one's.

Everything created carries the run's id and its owner: the harness process, named by host, process id and start time
(a process id alone is reused).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

LABEL = "sponge-bench"
LABEL_RUN = "sponge-bench.run"
LABEL_OWNER = "sponge-bench.owner"
ENV_RUN = "SPONGE_BENCH_RUN"
ENV_OWNER = "SPONGE_BENCH_OWNER"
START_TOLERANCE_S = 2.0  # start times are derived from the boot time, which moves when the wall clock is stepped


@dataclass(frozen=True, slots=True)
class Owner:
    """A harness process. `started_s` is its start on the wall clock (seconds since 1970)."""

    host: str
    pid: int
    started_s: float

    def text(self) -> str:
        """As written into labels and environments: `host/pid/start`."""
        return f"{self.host}/{self.pid}/{self.started_s:.2f}"

    def is_alive(self) -> bool:
        """Whether this process still runs. A process of another host cannot be asked and counts as alive."""
        if self.host != platform.node():
            return True
        try:
            process = psutil.Process(self.pid)
            started_s, status = process.create_time(), process.status()
        except psutil.Error:
            return False
        return bool(status != psutil.STATUS_ZOMBIE and abs(started_s - self.started_s) < START_TOLERANCE_S)


def this_process() -> Owner:
    """The owner that is this process."""
    return Owner(platform.node(), os.getpid(), psutil.Process().create_time())


def parse_owner(text: str) -> Owner | None:
    """The owner written as `text`, or None when it names none."""
    host, _, rest = text.partition("/")
    pid, _, started = rest.partition("/")
    try:
        return Owner(host, int(pid), float(started))
    except ValueError:
        return None


def run_labels(run_id: str, owner: Owner) -> dict[str, str]:
    """Labels of a container or network of this run."""
    return {LABEL: "1", LABEL_RUN: run_id, LABEL_OWNER: owner.text()}


def run_environment(run_id: str, owner: Owner) -> Mapping[str, str]:
    """Environment variables that mark a process as belonging to this run."""
    return {ENV_RUN: run_id, ENV_OWNER: owner.text()}


def own_name(run_id: str, owner: Owner) -> str:
    """Name of a folder or control group of this run on this host: `run@pid@start`."""
    return f"{run_id}@{owner.pid}@{owner.started_s:.2f}"


def parse_own_name(name: str) -> tuple[str, Owner | None]:
    """Run and owner from such a name; no owner when it is not of that form."""
    run_id, _, rest = name.partition("@")
    return run_id, parse_owner(f"{platform.node()}/{rest.replace('@', '/')}")
