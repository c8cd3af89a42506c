"""`sponge` against its own description, carried out the slow way: every allocation, every future, no short cuts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState
from systems.sponge.policy import build

LATENCY = LatencyModel(0.1, 0.01, 0.05, 0.03, quantile_levels=(0.05, 0.5, 0.95), quantile_ratios=(0.8, 1.0, 1.3))
WHOLE = Conditions(CoreGrid(1.0, 6.0, 1.0), 4, 1.0, 1.0, LATENCY)
BINARY = Conditions(CoreGrid(0.25, 0.5, 0.25), 4, 1.0, 1.0, LatencyModel(2**-6, 2**-7, 2**-6, 2**-5))
TENTHS = Conditions(CoreGrid(0.2, 1.6, 0.2), 4, 1.5, 0.5, replace(LATENCY, gamma_s=0.02))
HEADROOM = 0.9
TAIL = 1.3


def random_observation(rng: np.random.Generator, conditions: Conditions) -> Observation:
    """Some seconds into a run: calm or crowded, with budgets from spent to ample."""
    now_s, window_s = float(rng.uniform(20, 1000)), 5 * conditions.tick_s
    came_s = np.sort(rng.uniform(now_s - window_s, now_s, rng.integers(0, rng.choice([4, 40, 120]))))
    budgets_s = rng.uniform(*sorted(rng.uniform(-0.2, 1.5, 2)), len(came_s))
    recent = tuple(Queued(k, float(t), float(t + b)) for k, (t, b) in enumerate(zip(came_s, budgets_s, strict=True)))
    waiting = tuple(
        Queued(1000 + k, now_s - 0.1, float(now_s + b))
        for k, b in enumerate(rng.uniform(-0.5, 1.0, rng.integers(0, rng.choice([2, 30]))))
    )
    cores = float(rng.choice(conditions.cores.values()))
    flying = (InFlight(0, "replica-0", int(rng.integers(1, 5)), now_s - 0.02, now_s + 1),) if rng.random() < 0.5 else ()
    return Observation(
        now_s, window_s, Allocation(cores, 1), recent=recent, queue=waiting, in_flight=flying,
        replicas=(ReplicaState("replica-0", cores, 1),), counts=Counts(arrived=10_000),
        memory=float(rng.choice([0.5, 1.0, 1.7])),
    )  # fmt: skip


def futures_of(observation: Observation, conditions: Conditions) -> list[list[tuple[float, float]]]:
    """(release, deadline) lists: the queue, with every recent interval coming again, and with the whole window."""
    now_s, tick_s, margin_s = observation.now_s, conditions.tick_s, (1 - HEADROOM) * conditions.slo_s
    queue = [(now_s, r.deadline_s - margin_s) for r in observation.queue]
    futures = []
    for back in (1, 2, 3, 4, 5):
        shift_s = back * tick_s
        again = [r for r in observation.recent if 0 < r.arrived_s + shift_s - now_s <= tick_s]
        work = queue + [(r.arrived_s + shift_s, r.deadline_s + shift_s - margin_s) for r in again]
        futures.append(work or [(now_s, now_s + conditions.slo_s - margin_s)])
    whole_s = observation.window_s
    return [*futures, queue + [(r.arrived_s + whole_s, r.deadline_s + whole_s - margin_s) for r in observation.recent]]


def missed(work: list[tuple[float, float]], free_s: float, batch: int, mean_s: list[float]) -> int:
    """Earliest deadline first, batch by batch, in the plainest way."""
    left, now_s, count = list(work), free_s, 0
    while left:
        now_s = max(now_s, min(release_s for release_s, _ in left))
        chosen = []
        for one in sorted((w for w in left if w[0] <= now_s), key=lambda w: w[1]):
            if len(chosen) == batch:
                break
            left.remove(one)
            if one[1] < now_s + mean_s[1] * TAIL:
                count += 1
            else:
                chosen.append(one)
        size = len(chosen) if left else batch
        count += sum(deadline_s < now_s + mean_s[size] * TAIL for _, deadline_s in chosen)
        now_s += mean_s[size] if chosen else 0.0
    return count


def by_description(observation: Observation, conditions: Conditions) -> tuple[float, int]:
    """The first allocation, by cores and then batch, with the fewest misses in its worst future."""
    predict_s, correction = conditions.latency.predict_s, observation.memory
    cores_now = observation.allocation.cores
    ends_s = [f.started_s + correction * predict_s(f.size, cores_now) for f in observation.in_flight]
    free_s = max([observation.now_s, *ends_s])
    futures = futures_of(observation, conditions)
    counted = {}
    for cores in conditions.cores.values():
        mean_s = [0.0, *(predict_s(b, cores) * correction for b in range(1, conditions.max_batch + 1))]
        for batch in range(1, conditions.max_batch + 1):
            counted[cores, batch] = max(missed(work, free_s, batch, mean_s) for work in futures)
    return min(counted, key=lambda option: (counted[option], option))


@pytest.mark.parametrize("conditions", [WHOLE, TENTHS], ids=["whole cores", "tenths"])
def test_it_decides_as_its_description_says(conditions):
    policy = build(conditions, {"headroom": HEADROOM, "tail_quantile": 0.95}, "here")
    chosen = set()
    for seed in range(60):
        observation = random_observation(np.random.default_rng(seed), conditions)
        target = policy.decide(observation).target
        assert (target.cores, target.batch_size) == by_description(observation, conditions), seed
        chosen.add((target.cores, target.batch_size))
    assert len(chosen) > 8


@given(st.integers(0, 2**32), st.integers(-900, 10**6))
@settings(max_examples=40)
def test_only_differences_of_time_matter(seed, shift_s):
    """Times, reserve and service times are multiples of 1/64 s or finer powers of two: moving them loses nothing."""
    observation = replace(random_observation(np.random.default_rng(seed), BINARY), memory=1.0)
    policy = build(BINARY, {"headroom": 0.875}, "here")
    assert policy.decide(moved(observation, 0)).target == policy.decide(moved(observation, shift_s)).target


def moved(observation: Observation, shift_s: int) -> Observation:
    def at(t_s: float) -> float:
        return round(t_s * 64) / 64 + shift_s

    def every(requests):
        return tuple(replace(r, arrived_s=at(r.arrived_s), deadline_s=at(r.deadline_s)) for r in requests)

    flying = tuple(replace(f, started_s=at(f.started_s)) for f in observation.in_flight)
    return replace(
        observation, now_s=at(observation.now_s), recent=every(observation.recent), queue=every(observation.queue),
        in_flight=flying,
    )  # fmt: skip
