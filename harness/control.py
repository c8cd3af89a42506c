"""From one allocation to the next: which actions, in which order; and what a loop remembers between ticks. Pure.

Order (Sponge prototype and Kubernetes practice): growing, quota first, then threads, then batch, so that work never
outruns its cores; shrinking, batch, then threads, then quota, for the same reason. Replicas are added before anything
shrinks and removed last, so the old and the new exist together and both are charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.seams import Policy
from harness.types import (
    Action,
    AddReplica,
    Allocation,
    Applied,
    Decision,
    Observation,
    RemoveReplica,
    Resize,
    SetBatch,
    SetThreads,
    Usage,
    threads_for,
)

_ROUNDING = 1e-9


def replica_name(index: int) -> str:
    """The name of the index-th replica of a stage."""
    return f"replica-{index}"


def plan_actions(current: Allocation, target: Allocation, names: Sequence[str]) -> tuple[Action, ...]:
    """Actions that lead from `current` to `target`; empty when they are equal.

    names: the replicas that exist now and are not draining. Removal takes the highest name first.
    """
    growing = target.cores >= current.cores
    kept = sorted(names, key=_index)[: target.replicas]
    resizes = _resizes(current, target, kept, growing=growing)
    batch: tuple[Action, ...] = (SetBatch(target.batch_size),) if target.batch_size != current.batch_size else ()
    added = tuple(AddReplica(name, target.cores) for name in _new_names(names, target.replicas))
    removed = tuple(RemoveReplica(name) for name in sorted(names, key=_index, reverse=True) if name not in kept)
    if growing:
        return (*resizes, *added, *batch, *removed)
    return (*added, *batch, *resizes, *removed)


def _resizes(current: Allocation, target: Allocation, names: Sequence[str], *, growing: bool) -> tuple[Action, ...]:
    if target.cores == current.cores:
        return ()
    threads = threads_for(target.cores)
    quota: list[Action] = [Resize(name, target.cores) for name in names]
    follow: list[Action] = [SetThreads(name, threads) for name in names] if threads != current.threads else []
    return tuple(quota + follow if growing else follow + quota)


def _new_names(names: Sequence[str], replicas: int) -> list[str]:
    taken = set(names)
    free: list[str] = []
    index = 0
    while len(taken) + len(free) < replicas:
        if replica_name(index) not in taken:
            free.append(replica_name(index))
        index += 1
    return free


def _index(name: str) -> tuple[int, str]:
    digits = name.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else 0, name)


def next_tick_s(now_s: float, tick_s: float) -> float:
    """The next multiple of the interval after `now_s`; a tick that took too long skips, it does not pile up."""
    return (int(now_s / tick_s + _ROUNDING) + 1) * tick_s  # 3 * 0.1 is not quite 0.3, and must not tick twice


class Steering:
    """What a control loop remembers from tick to tick: the allocation in force, and what the policy remembers."""

    def __init__(self, policy: Policy, start: Allocation) -> None:
        self._policy = policy
        self.allocation = start
        self._memory: Any = None
        self._half_done = False

    def seen(self, observed: Observation, usage: tuple[Usage, ...]) -> Observation:
        """What the policy is shown: what was observed, with what the loop itself knows."""
        return replace(observed, allocation=self.allocation, usage=usage, memory=self._memory)

    def decide(self, observation: Observation) -> Decision:
        """Ask the policy."""
        decision = self._policy.decide(observation)
        self._memory = decision.memory
        return decision

    def keeps(self, decision: Decision) -> bool:
        """Whether nothing has to be done: the target is in force, in all replicas."""
        return decision.target == self.allocation and not self._half_done

    def settle(self, applied: Applied) -> None:
        """Note what became of a decision."""
        self.allocation = applied.target if applied.outcome == "ok" else applied.effective
        self._half_done = applied.outcome == "failed"  # of several replicas some may have changed


def kept(decision: Decision, now_s: float) -> Applied:
    """What becomes of a decision that changes nothing."""
    return Applied(decision.target, now_s, now_s, now_s, decision.target.cores)
