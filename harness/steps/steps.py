"""Steps that are done once: each has a key over everything it depends on, and a ledger says which are done.

A step whose key is in the ledger, and whose outputs are still there, is not done again. A step that was interrupted is
not in the ledger: it is begun again, and finds what it left behind (a sweep goes on with it; see each step).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import BenchError, UsageError
from harness.steps.pace import Pace, clock

LEDGER_VERSION = 1
Advance = Callable[[float], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    depends_on: text that changes whenever the step's own inputs do (settings, digests of files). needs: steps that
    come before it; when one of them is done anew, so is this. work: how much it is, in the unit of the pace; 0 when how
    long it takes cannot be told from that. do: does it, told the key, and calls `advance` with the work that is done in
    between. outputs: must exist for the step to count as done. left: told the key, how much of the work an interrupted
    attempt has left over; all of it, where there is no such function.
    """

    name: str
    title: str
    depends_on: str
    do: Callable[[str, Advance], None]
    needs: tuple[str, ...] = ()
    work: float = 0.0
    outputs: tuple[Path, ...] = ()
    left: Callable[[str], float] | None = None

    def to_do(self, key: str) -> float:
        """How much work there is to do."""
        return self.work if self.left is None else min(self.work, max(0.0, self.left(key)))


@dataclass(slots=True)
class Ledger:
    """Which steps are done, with which key, when, and how long they took. Kept in a file, whole at any time."""

    path: Path
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger of a file; empty when there is none. Raises UsageError when the file is something else."""
        if not path.exists():
            return cls(path)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["version"] != LEDGER_VERSION:
                raise UsageError(f"{path}: version {found['version']}; this program reads version {LEDGER_VERSION}")
            return cls(path, dict(found["done"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: not a ledger of steps ({error!r}); delete it to begin anew") from error

    def has(self, step: Step, key: str) -> bool:
        """Whether the step was done with this key and what it made is still there."""
        return self.done.get(step.name, {}).get("key") == key and all(path.exists() for path in step.outputs)

    def add(self, step: Step, key: str, wall_s: float) -> None:
        """The step is done."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self.done[step.name] = {"key": key, "ended_utc": when, "wall_s": round(wall_s, 3), "work": step.work}
        partial = self.path.with_name(self.path.name + ".partial")
        partial.write_text(json.dumps({"version": LEDGER_VERSION, "done": self.done}, indent=2), encoding="utf-8")
        partial.replace(self.path)


def keys_of(steps: Sequence[Step]) -> dict[str, str]:
    """The key of every step, over its own inputs and the keys of what it needs.

    Raises BenchError for a need that does not come before.
    """
    keys: dict[str, str] = {}
    for step in steps:
        if missing := [need for need in step.needs if need not in keys]:
            raise BenchError(f"step {step.name} needs {missing[0]}, which does not come before it")
        material = json.dumps([step.name, step.depends_on, [keys[need] for need in step.needs]])
        keys[step.name] = hashlib.sha256(material.encode()).hexdigest()[:16]
    return keys


def do_steps(steps: Sequence[Step], ledger: Ledger, say: Say) -> list[str]:
    """Do what is not done, in order; the names of what was done now. Whatever a step raises ends this, with everything
    finished until then in the ledger."""
    keys = keys_of(steps)
    missing = [step for step in steps if not ledger.has(step, keys[step.name])]
    pace = Pace(sum(step.to_do(keys[step.name]) for step in missing))
    left = time_left(pace, missing)
    say(f"{len(steps) - len(missing)} of {len(steps)} steps are done already; {len(missing)} to do, {left}")
    for at, step in enumerate(missing, 1):
        say(f"[{at}/{len(missing)}] {step.title}; {time_left(pace, missing[at - 1 :])}")
        began_s = time.monotonic()
        Doing(step, pace, say).do(keys[step.name])
        wall_s = time.monotonic() - began_s
        ledger.add(step, keys[step.name], wall_s)
        say(f"[{at}/{len(missing)}] {step.name} done in {clock(wall_s)}; {time_left(pace, missing[at:])}")
    return [step.name for step in missing]


def time_left(pace: Pace, steps: Sequence[Step]) -> str:
    """For people: what the pace tells, and how many of the steps it tells nothing about."""
    unknown = sum(step.work == 0 for step in steps)
    if steps and not unknown and pace.left_s() == 0.0:
        return "nearly nothing left"
    if not unknown:
        return pace.text() if steps else "nothing left"
    steps_left = f"{unknown} step{'s' * (unknown > 1)} of unknown length"
    return f"{pace.text()} and {steps_left}" if pace.left_s() != 0.0 else f"{steps_left} left"


class Doing:
    """A step that is going on, and its share of the pace."""

    def __init__(self, step: Step, pace: Pace, say: Say) -> None:
        self._step = step
        self._pace = pace
        self._say = say
        self._left = 0.0
        self._since_s = 0.0

    def do(self, key: str) -> None:
        """Do it; what it did not report of its work counts when it ends."""
        self._left = self._step.to_do(key)
        self._since_s = time.monotonic()
        self._step.do(key, self._advance)
        if self._left > 0:
            self._count(self._left)

    def _advance(self, work: float) -> None:
        self._count(min(work, self._left))
        self._say(f"    {self._step.name}: {self._pace.text()}")

    def _count(self, work: float) -> None:
        now_s = time.monotonic()
        self._pace.add(work, now_s - self._since_s)
        self._since_s, self._left = now_s, self._left - work
