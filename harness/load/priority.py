"""Ask the kernel to run the replayer as soon as it wakes, so that a busy machine does not make requests late.

The client stands for the outside world, which would not share the server's cores. What was granted is reported.
"""

from __future__ import annotations

import contextlib
import os


def raise_priority() -> str:
    """Real-time round robin if allowed, else the highest niceness allowed, else nothing; the name of what was got."""
    if hasattr(os, "sched_setscheduler"):
        reset = getattr(os, "SCHED_RESET_ON_FORK", 0)  # children run as everybody else
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | reset, os.sched_param(1))
            return "real-time"
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            return "nice -20"
    return "normal"
