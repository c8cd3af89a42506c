"""`sponge`: the smallest allocation that meets every deadline that can be met, looked for anew at every tick.

It looks ahead one control interval, over the requests that wait and the arrivals to come. What comes is taken from
what came: each interval of the recent past, moved to now, is one possible future, and the allocation must do for the
worst of them. Service times are the profile's, corrected by those observed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.engine.requests import Requests, Samples
from harness.errors import bad_value
from harness.policy.conditions import Conditions
from harness.policy.lookahead import (
    Came,
    Expected,
    Ladder,
    Option,
    Outcome,
    Past,
    Work,
    fewest_misses,
    median_ratio,
    work_of,
)
from harness.seams import Policy
from harness.settings import from_mapping
from harness.types import Decision, Observation

CORRECTION_BOUNDS = (0.5, 3.0)  # beyond this the profile is of another model or machine, not a little off
CORRECTION_WEIGHT = 0.5  # of the newest interval against all before
FEWEST_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class SpongeSettings:
    """headroom: share of the SLO the plan may use, the rest is reserve. tail_quantile: of the service time held
    against a deadline; the queue ahead of it counts with the mean.

    The rest is for ablations. batching: whether batches may be larger than 1. infeasible: what to do when not every
        deadline can be met: the smallest allocation that does all that can be done (`useful`), the current one
        (`hold`), or all cores (`maxout`). plans_for: the queue and possible futures (`lookahead`), or just the
        requests of the last interval coming again (`last-interval`).
    """

    headroom: float = 0.9
    tail_quantile: float = 0.95
    batching: bool = True
    infeasible: Literal["useful", "hold", "maxout"] = "useful"
    plans_for: Literal["lookahead", "last-interval"] = "lookahead"


class SpongePolicy:
    """Fewest expected misses first, then fewest cores, then smallest batch."""

    def __init__(self, conditions: Conditions, settings: SpongeSettings) -> None:
        self._conditions = conditions
        self._settings = settings
        self._margin_s = (1 - settings.headroom) * conditions.slo_s
        self._max_batch = conditions.max_batch if settings.batching else 1
        self._tail_ratio = conditions.latency.quantile_ratio(settings.tail_quantile)
        self._ladder = Ladder(conditions.cores.values(), self._max_batch, conditions.latency.predict_s)

    def decide(self, observation: Observation) -> Decision:
        """The allocation for the next interval; the current one when nothing is known yet."""
        correction = self._correction(observation)
        if observation.counts.arrived == 0:
            return Decision(observation.allocation, "no requests seen yet: keep", correction)
        least_cores = observation.allocation.cores if _is_history_short(observation) else 0.0
        outcome = self._outcome(observation, correction, least_cores)
        if outcome is not None and outcome.missed and self._settings.infeasible == "hold":
            return Decision(observation.allocation, f"{outcome.missed} cannot be met: hold", correction)
        if outcome is not None and outcome.missed and self._settings.infeasible == "maxout":
            outcome = self._outcome(observation, correction, self._conditions.cores.values()[-1])
        if outcome is None:
            return Decision(observation.allocation, "no options: keep", correction)
        target = replace(
            observation.allocation, cores=outcome.option.cores, batch_size=outcome.option.batch, replicas=1
        )
        return Decision(target, _reason(outcome, self._settings.infeasible), correction)

    def _outcome(self, observation: Observation, correction: float, least_cores: float) -> Outcome | None:
        options = self._options(correction, least_cores)
        if self._settings.plans_for == "last-interval":
            return fewest_misses(options, [self._again(observation)], observation.now_s)
        return fewest_misses(options, self._futures(observation), self._free_s(observation, correction))

    def _options(self, correction: float, least_cores: float) -> Iterator[Option]:
        return self._ladder.options(correction, self._tail_ratio, least_cores)

    def _past(self, observation: Observation) -> Past:
        recent, queue = Requests.of(observation.recent), Requests.of(observation.queue)
        came = Came(recent.arrived_s, recent.deadlines_s)
        return Past(observation.now_s, queue.deadlines_s, came, self._margin_s)

    def _again(self, observation: Observation) -> Work:
        """The last interval's requests, coming once more; one request when there were none."""
        tick_s = self._conditions.tick_s
        return self._past(observation).interval(tick_s, tick_s, queue=False) or self._somebody(observation)

    def _futures(self, observation: Observation) -> list[Work]:
        """The work of every recent interval coming again, and that of the whole window, which also shows what cannot
        be kept up.

        The busiest comes first, because it rejects an option soonest. An interval without work stands for one
        request: somebody may come, and the next tick would be too late.
        """
        past, tick_s = self._past(observation), self._conditions.tick_s
        futures = [past.again(observation.window_s)]
        for back in range(1, max(1, int(observation.window_s / tick_s)) + 1):
            futures.append(past.interval(back * tick_s, tick_s, queue=True) or self._somebody(observation))
        return sorted(futures, key=len, reverse=True)

    def _somebody(self, observation: Observation) -> Work:
        now_s = observation.now_s
        return work_of([Expected(now_s, now_s + self._conditions.slo_s - self._margin_s)])

    def _free_s(self, observation: Observation, correction: float) -> float:
        """When the replica is done with what it holds, as far as the corrected profile tells."""
        known = {replica.name: replica.cores for replica in observation.replicas}
        running = [(f, known.get(f.replica, observation.allocation.cores)) for f in observation.in_flight]
        predict_s = self._conditions.latency.predict_s
        ends = [flight.started_s + correction * predict_s(flight.size, cores) for flight, cores in running if cores > 0]
        return max([observation.now_s, *ends])

    def _correction(self, observation: Observation) -> float:
        """Observed over predicted service time, smoothed over the intervals."""
        before = 1.0 if observation.memory is None else float(observation.memory)
        seen = Samples.of(observation.service)
        predict_s = self._conditions.latency.predict_s
        ratio = median_ratio(seen.batch_sizes, seen.cores, seen.service_s, predict_s, FEWEST_SAMPLES)
        if ratio == 0:
            return before
        smoothed = before + CORRECTION_WEIGHT * (ratio - before)
        return min(max(smoothed, CORRECTION_BOUNDS[0]), CORRECTION_BOUNDS[1])


def _is_history_short(observation: Observation) -> bool:
    """Everything that ever came still lies within the window: too little was seen to shrink on."""
    return observation.counts.arrived == len(observation.recent)


def _reason(outcome: Outcome, infeasible: str) -> str:
    if outcome.missed == 0:
        return "smallest that meets every deadline"
    return f"{outcome.missed} cannot be met: {'all cores' if infeasible == 'maxout' else 'largest useful'}"


def build(conditions: Conditions, settings: Mapping[str, Any], place: str) -> Policy:
    """The policy for these conditions. Raises UsageError naming `place` for bad settings."""
    chosen = from_mapping(SpongeSettings, settings, place)
    for name in ("headroom", "tail_quantile"):
        if not 0 < getattr(chosen, name) <= 1:
            raise bad_value(place, name, getattr(chosen, name), "must be in (0, 1]")
    return SpongePolicy(conditions, chosen)
