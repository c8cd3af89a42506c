"""A Linux timerfd on CLOCK_MONOTONIC: a file descriptor that becomes readable at an absolute instant.

Event loops round their own timers to about a millisecond; a timerfd is as exact as the kernel's high-resolution
timers. The standard library has it from Python 3.13; before that the C library is called directly.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_TFD_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class TimerFd:
    """One absolute timer. `open` before use, `close` after."""

    def __init__(self) -> None:
        self.fd = -1
        self._libc: ctypes.CDLL | None = None

    def open(self) -> None:
        """Create the descriptor. Raises OSError where the platform has no timerfd."""
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "timerfd exists on Linux only")
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            create = self._libc.timerfd_create
        except AttributeError as error:
            raise OSError(errno.ENOSYS, "the C library has no timerfd_create") from error
        self.fd = self._checked(create(_CLOCK_MONOTONIC, _TFD_FLAGS))

    def arm(self, at_monotonic_s: float) -> None:
        """Become readable at or just after this instant; at once when it has passed."""
        seconds = int(at_monotonic_s)
        nanoseconds = max(1, int((at_monotonic_s - seconds) * 1e9))  # 0, 0 would disarm it
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, nanoseconds))
        assert self._libc is not None, "open() first"
        self._checked(self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))

    def clear(self) -> None:
        """Make it unreadable again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        """Give the descriptor back. Safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
