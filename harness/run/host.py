"""What the manifest says about the machine, the code and the packages."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = ("harness", "systems", "traces", "pyproject.toml")  # what decides results, beside what the manifest says whole
PACKAGES = ("aiohttp", "docker", "geventhttpclient", "locust", "numpy", "onnxruntime", "pandas", "pulp", "pyarrow")


def host_facts() -> dict[str, Any]:
    """Processor, cores, kernel, cgroup version, Python."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "system": platform.system(),
        "cgroup": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "python": platform.python_version(),
    }


def profile_host() -> dict[str, Any]:
    """The facts about this host a latency depends on."""
    facts = host_facts()
    return {key: facts[key] for key in ("cpu", "cores", "kernel", "cgroup")}


def code_facts() -> dict[str, Any]:
    """Commit of this checkout and whether its code differs from it; nulls outside a checkout.

    A scenario of one's own is no code: what it says is in the manifest, with its sha256.
    """
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", *CODE)
    return {"git_commit": commit or None, "git_dirty": None if changes is None else bool(changes)}


def package_versions() -> dict[str, str]:
    """Versions of the packages that take part in a measurement."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@dataclass(frozen=True, slots=True)
class CpuClock:
    """CPU time of the whole host so far, and the wall time of the reading, s. stolen_s: taken by the hypervisor."""

    busy_s: float
    stolen_s: float
    t_s: float

    @classmethod
    def read(cls) -> CpuClock:
        """Now."""
        times = psutil.cpu_times()
        idle_s = times.idle + getattr(times, "iowait", 0.0)
        stolen_s = getattr(times, "steal", 0.0)
        guest_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # already part of user
        return cls(sum(times) - idle_s - stolen_s - guest_s, stolen_s, time.monotonic())

    def load_since(self, before: CpuClock) -> dict[str, float]:
        """Mean cores busy and stolen since an earlier reading."""
        wall_s = max(self.t_s - before.t_s, 1e-9)
        return {
            "busy_cores": (self.busy_s - before.busy_s) / wall_s,
            "stolen_cores": (self.stolen_s - before.stolen_s) / wall_s,
        }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
