"""The look ahead in columns decides what the plain one decided: an independent oracle of the whole `sponge` policy."""

import heapq
import statistics

import numpy as np
import pytest

from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState, ServiceSample
from systems.sponge.policy import SpongePolicy, SpongeSettings

LATENCY = LatencyModel(0.03, 0.006, 0.01, 0.004, quantile_levels=(0.05, 0.95), quantile_ratios=(0.9, 1.3))
CONDITIONS = Conditions(CoreGrid(0.5, 4.0, 0.5), 6, 1.0, 1.0, LATENCY)
MARGIN_S = (1 - 0.9) * 1.0


def plain_misses(work, free_s, batch, mean_s, tail_s):
    """Request by request, with a heap, to the end."""
    missed, at, now_s, waiting = 0, 0, free_s, []
    while at < len(work) or waiting:
        if not waiting:
            now_s = max(now_s, work[at][0])
        while at < len(work) and work[at][0] <= now_s:
            heapq.heappush(waiting, work[at][1])
            at += 1
        taken, soonest_s = [], now_s + tail_s[1]
        while waiting and len(taken) < batch:
            deadline_s = heapq.heappop(waiting)
            if deadline_s < soonest_s:
                missed += 1
            else:
                taken.append(deadline_s)
        if taken:
            charged = batch if not waiting and at == len(work) else len(taken)
            missed += sum(deadline_s < now_s + tail_s[charged] for deadline_s in taken)
            now_s += mean_s[charged]
    return missed


def plain_futures(seen):
    now_s = seen.now_s
    queued = [(now_s, r.deadline_s - MARGIN_S) for r in seen.queue]

    def moved(requests, shift_s):
        return [(r.arrived_s + shift_s, r.deadline_s + shift_s - MARGIN_S) for r in requests]

    futures = [queued + moved(seen.recent, seen.window_s)]
    for back in range(1, 6):
        came = [r for r in seen.recent if 0 < r.arrived_s + back * 1.0 - now_s <= 1.0]
        futures.append(queued + moved(came, back * 1.0) or [(now_s, now_s + 1.0 - MARGIN_S)])
    return futures


def plain_correction(seen):
    before = 1.0 if seen.memory is None else seen.memory
    ratios = [s.service_s / LATENCY.predict_s(s.batch_size, s.cores) for s in seen.service]
    if len(ratios) < 3:
        return before
    return min(max(before + 0.5 * (statistics.median(ratios) - before), 0.5), 3.0)


def plain_decision(seen):
    """(cores, batch, misses, correction) of every option in order, the first with the fewest."""
    correction, futures = plain_correction(seen), plain_futures(seen)
    busy_s = [f.started_s + correction * LATENCY.predict_s(f.size, seen.allocation.cores) for f in seen.in_flight]
    free_s, best = max([seen.now_s, *busy_s]), None
    for cores in CONDITIONS.cores.values():
        mean_s = [0.0] + [LATENCY.predict_s(b, cores) * correction for b in range(1, 7)]
        tail_s = [s * LATENCY.quantile_ratio(0.95) for s in mean_s]
        for batch in range(1, 7):
            missed = max(plain_misses(f, free_s, batch, mean_s, tail_s) for f in futures)
            if best is None or missed < best[2]:
                best = (cores, batch, missed, correction)
    return best


def random_observation(seed):
    """A busy moment: rates from idle to far beyond what four cores serve."""
    rng = np.random.default_rng(seed)
    now_s, rate = float(rng.uniform(10, 100)), float(rng.choice([1, 4, 8, 25, 60, 150]))
    arrived = np.sort(rng.uniform(now_s - 5, now_s, rng.poisson(5 * rate)))
    if seed % 3 == 0:
        arrived = np.floor(arrived * 8) / 8  # many at one instant
    recent = tuple(
        Queued(k, float(t), float(t + rng.uniform(0.3 if seed % 2 else 0.02, 1.0))) for k, t in enumerate(arrived)
    )
    waiting = rng.integers(0, int(rate) + 1)
    queue = tuple(Queued(k, now_s - 0.1, now_s + float(d)) for k, d in enumerate(rng.uniform(-0.1, 0.9, waiting)))
    cores = float(rng.choice([0.5, 2.0, 4.0]))
    flight = (InFlight(1, "replica-0", 3, now_s - 0.01, now_s + 0.3),) if rng.random() < 0.5 else ()
    times = rng.uniform(0.5, 2.0, rng.integers(0, 9)) * LATENCY.predict_s(2, 2.0)
    return Observation(
        now_s,
        5.0,
        Allocation(cores, 2),
        recent,
        queue=queue,
        in_flight=flight,
        replicas=(ReplicaState("replica-0", cores, 1),),
        service=tuple(ServiceSample(2, 2.0, float(t)) for t in times),
        counts=Counts(arrived=10_000),
        memory=None if seed % 2 else 1.2,
    )


@pytest.mark.parametrize("seed", range(60))
def test_sponge_decides_what_the_plain_look_ahead_decides(seed):
    seen = random_observation(seed)
    cores, batch, missed, correction = plain_decision(seen)
    decision = SpongePolicy(CONDITIONS, SpongeSettings()).decide(seen)
    assert (decision.target.cores, decision.target.batch_size, decision.memory) == (cores, batch, correction)
    assert decision.reason.startswith(f"{missed} cannot") or missed == 0


def test_the_moments_range_from_all_met_to_many_missed():
    missed = [plain_decision(random_observation(seed))[2] for seed in range(60)]
    assert missed.count(0) > 8
    assert sum(m > 20 for m in missed) > 10
