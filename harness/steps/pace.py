"""How long the rest will take, from what was done so far and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """Work of a known size, in any unit that takes about the same time (simulated requests, say).

    total: all of it. done: what is finished. spent_s: the wall time that took; work that was finished before this
    program started counts into neither.
    """

    total: float
    done: float = 0.0
    spent_s: float = 0.0

    def add(self, work: float, wall_s: float) -> None:
        """So much more is done, in so much time."""
        self.done += work
        self.spent_s += wall_s

    def left_s(self) -> float | None:
        """Seconds left at the speed so far; None as long as there is nothing to tell it from."""
        if self.done >= self.total:
            return 0.0
        if self.done <= 0 or self.spent_s <= 0:
            return None
        return (self.total - self.done) * self.spent_s / self.done

    def text(self) -> str:
        """`about 1:20 left`, or that it is not known."""
        left_s = self.left_s()
        return "time left unknown" if left_s is None else f"about {clock(left_s)} left"


def clock(seconds_s: float) -> str:
    """Seconds as h:mm:ss, or m:ss below an hour."""
    whole = round(seconds_s)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
