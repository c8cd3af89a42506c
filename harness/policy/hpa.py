"""The Kubernetes Horizontal Pod Autoscaler (autoscaling/v2) as arithmetic: replicas from CPU utilisation.

Three steps: what the metric asks for, the stabilisation windows, the rate limits. Names follow the documentation:
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pod:
    """One replica as the controller counts it, in millicores.

    usage_milli: None without metrics. unready: not ready yet, or not for a whole metrics window; its usage is ignored.
    """

    request_milli: int
    usage_milli: int | None
    unready: bool = False


@dataclass(frozen=True, slots=True)
class Stamped:
    """A count of replicas and when it was recommended; or a change of it and when it was made."""

    t_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Behavior:
    """How fast the count may move. Windows and periods in s. Up, the larger of the two limits holds.

    The defaults are those of Kubernetes.
    """

    stabilize_up_s: float = 0.0
    stabilize_down_s: float = 300.0
    up_percent: int = 100
    up_replicas: int = 4
    up_period_s: float = 15.0
    down_percent: int = 100
    down_period_s: float = 15.0


def desired_replicas(current: int, pods: Sequence[Pod], target_percent: int, tolerance: float = 0.1) -> int | None:
    """What the metric asks for; None when no ready pod has metrics, which changes nothing.

    `ceil(ratio * ready)`, unless the ratio of usage to target is within the tolerance of 1. Pods that are not ready
    count as 0 when scaling up; pods without metrics as 0 when scaling up and 100 % when scaling down. When that turns
    the direction or ends within the tolerance, nothing changes.
    """
    unready = [pod for pod in pods if pod.unready]
    missing = [pod for pod in pods if not pod.unready and pod.usage_milli is None]
    counted = [pod for pod in pods if not pod.unready and pod.usage_milli is not None]
    if not counted:
        return None
    ratio = usage_ratio(counted, target_percent)
    added = _assumed(missing, ratio, target_percent) + (_idle(unready) if ratio > 1 else [])
    if not added:
        return current if _is_near(ratio, tolerance) else math.ceil(ratio * len(counted))
    counted = counted + added
    again = usage_ratio(counted, target_percent)
    if _is_near(again, tolerance) or (ratio - 1) * (again - 1) < 0:
        return current
    desired = math.ceil(again * len(counted))
    turned = desired > current if again < 1 else desired < current
    return current if turned else desired


def usage_ratio(pods: Sequence[Pod], target_percent: int) -> float:
    """Utilisation, in whole percent of what is requested, over the target."""
    used = sum(pod.usage_milli or 0 for pod in pods)
    return (used * 100 // sum(pod.request_milli for pod in pods)) / target_percent


def _assumed(missing: Sequence[Pod], ratio: float, target_percent: int) -> list[Pod]:
    """Pods without metrics, with the usage that moves least."""
    if ratio > 1:
        return _idle(missing)
    percent = max(100, target_percent) if ratio < 1 else None
    if percent is None:  # neither way: they count for nothing
        return []
    return [replace(pod, usage_milli=pod.request_milli * percent // 100) for pod in missing]


def _idle(pods: Sequence[Pod]) -> list[Pod]:
    return [replace(pod, usage_milli=0) for pod in pods]


def _is_near(ratio: float, tolerance: float) -> bool:
    return abs(1 - ratio) <= tolerance + 1e-12  # 1.1 is within 0.1 of 1, whatever floats say


def stabilized(current: int, desired: int, before: Sequence[Stamped], now_s: float, behavior: Behavior) -> int:
    """The recommendation nearest to `current` between the lowest of the up window and the highest of the down window.

    before: earlier recommendations, unstabilised; those as old as a window are outside it.
    """
    recent_up = [r.replicas for r in before if r.t_s > now_s - behavior.stabilize_up_s]
    recent_down = [r.replicas for r in before if r.t_s > now_s - behavior.stabilize_down_s]
    at_least, at_most = min([desired, *recent_up]), max([desired, *recent_down])
    return min(max(current, at_least), at_most)


def rate_limited(current: int, desired: int, changes: Sequence[Stamped], now_s: float, behavior: Behavior) -> int:
    """`desired`, or as far as the limits allow; they count from the replicas at the start of the period.

    changes: what was added (> 0) and removed (< 0) lately. Percent up is rounded up, percent down is cut.
    """
    if desired > current:
        began = current - _changed(changes, now_s - behavior.up_period_s)
        by_percent = math.ceil(round(began * (1 + behavior.up_percent / 100), 9))
        return min(desired, max(current, began + behavior.up_replicas, by_percent))
    if desired < current:
        began = current - _changed(changes, now_s - behavior.down_period_s)
        lowest = int(round(began * (1 - behavior.down_percent / 100), 9))
        return max(desired, min(current, lowest))
    return desired


def _changed(changes: Sequence[Stamped], after_s: float) -> int:
    return sum(change.replicas for change in changes if change.t_s > after_s)
