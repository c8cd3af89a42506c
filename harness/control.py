"""From one allocation to the next: which actions, in which order. Pure.

Order (Sponge prototype and Kubernetes practice): growing, quota first, then threads, then batch, so that work never
outruns its cores; shrinking, batch, then threads, then quota, for the same reason. Replicas are added before anything
shrinks and removed last, so the old and the new exist together and both are charged.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import (
    Action,
    AddReplica,
    Allocation,
    RemoveReplica,
    Resize,
    SetBatch,
    SetThreads,
    threads_for,
)


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
