"""CPU limits and counters of Linux control groups, versions 1 and 2, read and written as files.

A quota of q microseconds in every period of p microseconds grants q/p cores. Version 1 keeps the quota under the
controller `cpu` and the counters under `cpuacct` and `memory`; version 2 keeps all in one directory.
Source: Linux kernel documentation, admin-guide/cgroup-v1 and cgroup-v2, scheduler/sched-bwc.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import BenchError

PERIOD_S = 0.010  # measured against 20 ms and 100 ms, see docs/backends.md
MIN_QUOTA_S = 0.001  # the kernel refuses less
UNIFIED = "unified"  # our name for the version 2 hierarchy, among the names of version 1 controllers


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted hierarchy: the group `root` of the hierarchy is seen at `point`."""

    root: str
    point: Path


@dataclass(frozen=True, slots=True)
class CpuGroup:
    """The directories of one control group. `memory` is None where memory is not accounted."""

    version: int
    cpu: Path
    accounting: Path
    memory: Path | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """Cumulative CPU and throttled seconds, and the bytes in use now."""

    cpu_s: float
    throttled_s: float
    memory_bytes: int


def min_cores(period_s: float = PERIOD_S) -> float:
    """The smallest share of cores the kernel lets us grant with this period."""
    return MIN_QUOTA_S / period_s


def quota_us(cores: float, period_s: float = PERIOD_S) -> tuple[int, int]:
    """(quota, period) in whole microseconds for this many cores; quota -1 stands for no limit."""
    period_us = round(period_s * 1e6)
    return (-1 if math.isinf(cores) else round(cores * period_us)), period_us


def parse_mounts(mountinfo: str) -> dict[str, Mount]:
    """Mounted hierarchies by controller (version 1) and `unified` (version 2), from /proc/PID/mountinfo."""
    found: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        mount = Mount(fields[3], Path(fields[4]))
        if kind[0] == "cgroup2":
            found.setdefault(UNIFIED, mount)
        elif kind[0] == "cgroup":
            for option in kind[2].split(","):
                found.setdefault(option, mount)
    return found


def parse_memberships(text: str) -> dict[str, str]:
    """Group path by controller, and `unified` for version 2, from /proc/PID/cgroup."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            paths |= dict.fromkeys(parts[1].split(",") if parts[1] else [UNIFIED], parts[2])
    return paths


def directory(mount: Mount, path: str) -> Path | None:
    """Where the group `path` of a hierarchy is seen, or None when the mount does not show it."""
    if "/.." in path:
        return None  # outside of our cgroup namespace
    root = PurePosixPath(mount.root)
    group = PurePosixPath(path)
    return mount.point / group.relative_to(root) if group.is_relative_to(root) else None


def group_of(mounts: Mapping[str, Mount], memberships: Mapping[str, str]) -> CpuGroup | None:
    """The CPU group these memberships lie in, or None when its quota is not visible from here."""
    found = {c: directory(mounts[c], memberships[c]) for c in mounts.keys() & memberships.keys()}
    cpu, accounting, unified = found.get("cpu"), found.get("cpuacct"), found.get(UNIFIED)
    if cpu is not None and accounting is not None:
        return CpuGroup(1, cpu, accounting, found.get("memory"))
    if unified is not None and "cpu" not in mounts:
        return CpuGroup(2, unified, unified, unified)
    return None


def group_of_process(pid: int) -> CpuGroup | None:
    """The CPU group of a running process as seen from this process; None when there is none or it is not visible."""
    try:
        mounts = parse_mounts(Path("/proc/self/mountinfo").read_text())
        memberships = parse_memberships(Path(f"/proc/{pid}/cgroup").read_text())
    except OSError:
        return None
    group = group_of(mounts, memberships)
    return group if group is not None and group.cpu.is_dir() else None


def read_cores(group: CpuGroup) -> float:
    """The cores in force, infinity when unlimited. Raises BenchError when the file cannot be read."""
    if group.version == 2:
        return parse_limit(_read(group.cpu / "cpu.max"))
    return parse_limit(f"{_read(group.cpu / 'cpu.cfs_quota_us')} {_read(group.cpu / 'cpu.cfs_period_us')}")


def parse_limit(text: str) -> float:
    """Cores from `quota period`: microseconds, and `max` (version 2) or -1 (version 1) for no limit."""
    quota, period = text.split()
    return math.inf if quota == "max" or int(quota) < 0 else int(quota) / int(period)


def write_cores(group: CpuGroup, cores: float, period_s: float = PERIOD_S) -> None:
    """Grant this many cores. Raises BenchError when the kernel refuses."""
    quota, period = quota_us(cores, period_s)
    if group.version == 2:
        _write(group.cpu / "cpu.max", f"{'max' if quota < 0 else quota} {period}")
        return
    if int(_read(group.cpu / "cpu.cfs_period_us")) != period:
        _write(group.cpu / "cpu.cfs_period_us", str(period))
    _write(group.cpu / "cpu.cfs_quota_us", str(quota))


def read_counters(group: CpuGroup) -> Counters:
    """The counters now. Raises BenchError when they cannot be read."""
    stat = _pairs(_read(group.cpu / "cpu.stat"))
    memory_bytes = _memory_bytes(group)
    if group.version == 2:
        return Counters(stat["usage_usec"] / 1e6, stat.get("throttled_usec", 0) / 1e6, memory_bytes)
    cpu_s = int(_read(group.accounting / "cpuacct.usage")) / 1e9
    return Counters(cpu_s, stat.get("throttled_time", 0) / 1e9, memory_bytes)


def _memory_bytes(group: CpuGroup) -> int:
    """Memory in use without the page cache the kernel may take back at any time."""
    if group.memory is None:
        return 0
    usage, inactive = (
        ("memory.current", "inactive_file") if group.version == 2 else ("memory.usage_in_bytes", "total_inactive_file")
    )
    try:
        used = int((group.memory / usage).read_text())
        return max(0, used - _pairs((group.memory / "memory.stat").read_text()).get(inactive, 0))
    except OSError:
        return 0  # version 2 accounts memory only where the controller is switched on


def _pairs(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdigit()}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror})") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise BenchError(f"{path}: {text!r} was refused ({error.strerror})") from error


# Groups of our own, for local processes


def own_root() -> CpuGroup | None:
    """The group `sponge-bench` of this system, whether it exists or not; None where there are no control groups."""
    try:
        return root_in(parse_mounts(Path("/proc/self/mountinfo").read_text()))
    except OSError:
        return None


def root_in(mounts: Mapping[str, Mount]) -> CpuGroup | None:
    """The group `sponge-bench` under these mounts; nothing is created."""
    if "cpu" in mounts and "cpuacct" in mounts:
        return CpuGroup(1, mounts["cpu"].point / "sponge-bench", mounts["cpuacct"].point / "sponge-bench")
    if UNIFIED in mounts and "cpu" not in mounts:
        path = mounts[UNIFIED].point / "sponge-bench"
        return CpuGroup(2, path, path, path)
    return None


def child_group(parent: CpuGroup, name: str) -> CpuGroup:
    """The group `name` inside another."""
    memory = parent.memory / name if parent.memory is not None else None
    return CpuGroup(parent.version, parent.cpu / name, parent.accounting / name, memory)


def make_group(group: CpuGroup) -> None:
    """Create a group and, for version 2, let its parents hand on the CPU controller. Raises OSError."""
    for path in directories(group):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # another run has just removed the common parent, empty until now
            path.mkdir(parents=True, exist_ok=True)
    if group.version == 2:
        for parent in reversed(list(_inside_mount(group.cpu))):
            (parent / "cgroup.subtree_control").write_text("+cpu")


def _inside_mount(path: Path) -> Iterable[Path]:
    for parent in path.parents:
        if not (parent / "cgroup.subtree_control").exists():
            return
        yield parent


def directories(group: CpuGroup) -> tuple[Path, ...]:
    """The different directories a group is made of, where processes are put and which are removed afterwards."""
    return tuple(dict.fromkeys(path for path in (group.cpu, group.accounting) if path is not None))


def remove_group(group: CpuGroup) -> bool:
    """Remove a group and what is below it. False when something in it still runs."""
    return all(_remove_tree(path) for path in directories(group))


def remove_if_empty(group: CpuGroup) -> None:
    """Remove a group that has no groups and no processes in it; leave any other alone."""
    for path in directories(group):
        with suppress(OSError):
            path.rmdir()


def _remove_tree(path: Path) -> bool:
    if not path.is_dir():
        return True
    for child in path.iterdir():
        _remove_tree(child)
    try:
        path.rmdir()
    except OSError:
        return False
    return True
