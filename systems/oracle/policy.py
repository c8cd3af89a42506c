"""`oracle`: replays a schedule of cores that was computed from the whole plan beforehand.

The plan is known through the table's `foresee`; deciding itself is to read the schedule. Built without a plan, it has
no schedule and takes all cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import bad_value
from harness.oracle.floor import Floor
from harness.oracle.foresight import Foresight
from harness.oracle.search import Search, course_of
from harness.policy.conditions import Conditions
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Allocation, Decision, Observation

WIDENINGS = (1, 3)  # a search that misses more than all cores do is repeated, wider
EARLY = 1e-6  # of an interval: 3 * 0.1 is not quite 0.3


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """width: schedules kept per control interval while searching. miss_core_s: core-seconds a miss counts for there.
    tail_quantile: of the service time the schedule is made for, where service times spread.

    cores, batch_sizes: the schedule, per control interval; from `foresee`, not from a file.
    """

    width: int = 12
    miss_core_s: float = 100.0
    tail_quantile: float = 0.95
    cores: tuple[float, ...] = ()
    batch_sizes: tuple[int, ...] = ()


class OraclePolicy:
    """The schedule's entry of the current interval; its last one ever after."""

    def __init__(self, conditions: Conditions, settings: OracleSettings) -> None:
        self._tick_s = conditions.tick_s
        self._everything = Allocation(conditions.cores.values()[-1], conditions.max_batch)
        self._cores = settings.cores
        self._batch_sizes = settings.batch_sizes

    def decide(self, observation: Observation) -> Decision:
        """What the schedule says for now."""
        if not self._cores:
            return Decision(self._everything, "no plan known: all cores")
        tick = min(int(observation.now_s / self._tick_s + EARLY), len(self._cores) - 1)
        return Decision(Allocation(self._cores[tick], self._batch_sizes[tick]), f"scheduled for interval {tick}")


def foresee(foresight: Foresight, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The settings with the schedule of this plan. Raises UsageError naming `place` for bad settings."""
    chosen = _checked(settings, place)
    foresight.validate(place)
    floor = Floor.of(foresight)
    pace = foresight.pace(chosen.tail_quantile)
    course, prices = course_of(foresight, pace), floor.prices()
    for widening in WIDENINGS:
        search = Search(foresight, course, floor.slots, prices, chosen.width * widening, chosen.miss_core_s)
        schedule = search.schedule()
        if schedule.missed <= search.missed_by_all_cores():
            break
    return {**settings, "cores": schedule.cores, "batch_sizes": schedule.batch_size}


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = _checked(settings, place)
    if len(chosen.cores) != len(chosen.batch_sizes):
        rule = f"must have {len(chosen.cores)} entries, as many as cores has"
        raise bad_value(place, "batch_sizes", len(chosen.batch_sizes), rule)
    return OraclePolicy(conditions, chosen)


def _checked(settings: Mapping[str, Any], place: str) -> OracleSettings:
    chosen = from_mapping(OracleSettings, settings, place)
    if chosen.width < 1:
        raise bad_value(place, "width", chosen.width, "must be >= 1")
    if not chosen.miss_core_s > 0:
        raise bad_value(place, "miss_core_s", chosen.miss_core_s, "must be > 0")
    if not 0 < chosen.tail_quantile <= 1:
        raise bad_value(place, "tail_quantile", chosen.tail_quantile, "must be in (0, 1]")
    return chosen
