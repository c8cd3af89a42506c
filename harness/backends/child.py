"""Runs a module as a child that cannot outlive its harness: `python -m harness.backends.child --parent PID MODULE`.

On Linux the kernel kills the child when the thread that started it ends (PR_SET_PDEATHSIG), even when the child is
stopped or busy and when the harness itself was killed. Elsewhere the child relies on `stop` and `sponge-bench clean`.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import runpy
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; leave at once when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"the parent process {parent} is gone")


def main() -> None:
    """Tie this process to its parent, join the control groups, then become the module."""
    parser = argparse.ArgumentParser(prog="python -m harness.backends.child", description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process id this child must not outlive")
    parser.add_argument("--join", action="append", default=[], type=Path, help="control group directory to join")
    parser.add_argument("module", help="module to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    options = parser.parse_args()
    die_with(options.parent)
    for group in options.join:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    sys.argv = [options.module, *options.arguments]
    runpy.run_module(options.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
