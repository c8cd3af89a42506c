"""The look ahead agrees with the published rule, with a plain simulation and with the engine itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine import Engine
from harness.latency import LatencyModel
from harness.policy.conditions import CoreGrid
from harness.policy.lookahead import Expected, Option, ServiceTable, fewest_misses, misses
from harness.policy.published import PublishedProblem, solve_by_enumeration
from harness.types import EngineSettings, EventKind, Queued

NOW_S = 100.0


def random_work(rng: np.random.Generator, most: int = 40) -> list[Expected]:
    """A queue that is there already and arrivals to come, every release at its own instant."""
    queued = [Expected(0.0, float(d)) for d in rng.uniform(-0.2, 1.5, rng.integers(0, most // 2))]
    coming_s = np.sort(rng.uniform(0.001, 1, rng.integers(0, most // 2)))
    return queued + [Expected(float(t), float(t + rng.uniform(0.01, 1.2))) for t in coming_s]


def random_table(rng: np.random.Generator, batch: int, *, tail: float = 1.0) -> ServiceTable:
    base_s, each_s = rng.uniform(0.001, 0.1), rng.uniform(0.0, 0.08)
    mean_s = tuple(float(base_s + each_s * b) if b else 0.0 for b in range(batch + 1))
    return ServiceTable(mean_s, tuple(s * tail for s in mean_s))


def misses_by_plain_simulation(work, free_s, batch, table):
    """One request list, sorted anew at every step: slow, and nothing to get wrong."""
    left, now_s, missed = list(work), free_s, 0
    while left:
        now_s = max(now_s, min(w.release_s for w in left))
        here = sorted((w for w in left if w.release_s <= now_s), key=lambda w: w.deadline_s)
        chosen = []
        for candidate in here:
            if len(chosen) == batch:
                break
            left.remove(candidate)
            if candidate.deadline_s < now_s + table.tail_s[1]:
                missed += 1
            else:
                chosen.append(candidate)
        size = len(chosen) if left else batch
        missed += sum(w.deadline_s < now_s + table.tail_s[size] for w in chosen)
        now_s += table.mean_s[size] if chosen else 0.0
    return missed


@pytest.mark.parametrize("tail", [1.0, 1.4])
def test_misses_agree_with_a_plain_simulation(tail):
    for seed in range(400):
        rng = np.random.default_rng(seed)
        batch, work = int(rng.integers(1, 9)), random_work(rng)
        table = random_table(rng, batch, tail=tail)
        free_s = float(rng.choice([0.0, rng.uniform(0, 0.5)]))
        expected = misses_by_plain_simulation(work, free_s, batch, table)
        assert misses(work, free_s, batch, table, len(work)) == expected, seed


def test_misses_agree_with_the_engine_on_the_same_arrivals(replay):
    for seed in range(300):
        rng = np.random.default_rng(seed)
        batch, work = int(rng.integers(1, 9)), random_work(rng)
        table, free_s = random_table(rng, batch), float(rng.uniform(0.001, 0.5))
        # Requests without end keep the last batch of interest from being the last one, which is charged as full.
        endless = [Expected(1e6, math.inf)] * batch
        counted = misses([*work, *endless], free_s, batch, table, len(work))
        assert counted == misses_in_the_engine(replay, work, free_s, batch, table), seed


def misses_in_the_engine(replay, work, free_s, batch, table):
    """Dropped or answered late, with a replica that is busy until `free_s`."""
    settings = EngineSettings(batch_size=batch, order="edf", close="idle", drop="hopeless")
    engine = Engine(settings, lambda b, _: table.mean_s[b], lambda b, _: table.tail_s[b])
    engine.set_replica(-1.0, "replica-0", 1.0)
    requests = [Queued(-1, -1.0, math.inf), *(Queued(k, w.release_s, w.deadline_s) for k, w in enumerate(work))]

    def service_s(start):
        return free_s + 1.0 if start.batch_id == 0 else table.mean_s[len(start.requests)]

    replay(engine, service_s).run((r.arrived_s, EventKind.ARRIVE, arrival(r)) for r in requests)
    assert engine.counts().arrived == len(work) + 1
    return engine.counts().dropped + engine.counts().late


def arrival(request):
    return lambda engine, now_s: engine.arrive(now_s, request)


GRIDS = [CoreGrid(1, 16, 1), CoreGrid(0.1, 1.6, 0.1), CoreGrid(1, 4, 0.5)]


def random_problem(seed: int) -> PublishedProblem:
    rng = np.random.default_rng(seed)
    epsilon_ms = rng.uniform(-60, 60)
    terms_ms = (rng.uniform(61, 250), rng.uniform(0, 40), epsilon_ms, rng.uniform(0, 40))
    latency = LatencyModel.from_ms(*(round(float(t), 4) for t in terms_ms))
    cores = GRIDS[rng.integers(len(GRIDS))].values()
    slo_ms = float(rng.integers(200, 4000))
    remaining_ms = float(rng.integers(0, slo_ms))
    return PublishedProblem(
        latency, int(rng.integers(1, 40)), remaining_ms, slo_ms, 0.9, cores, int(rng.integers(1, 9))
    )


def by_look_ahead(problem: PublishedProblem):
    """The special case: `rate` requests released now, one deadline, empty replica, predictions cut to whole ms."""
    options = []
    for cores in problem.cores:
        for batch in range(1, problem.max_batch + 1):
            ms = tuple(float(int(problem.latency.predict_ms(b, cores))) if b else 0.0 for b in range(batch + 1))
            options.append(Option(cores, batch, ServiceTable(ms, ms)))
    work = [Expected(0.0, problem.budget_ms)] * int(problem.rate_rps)
    outcome = fewest_misses(options, [work], 0.0)
    return (outcome.option.cores, outcome.option.batch) if outcome.missed == 0 else None


def test_equal_deadlines_and_an_empty_queue_give_exactly_the_published_choice():
    chosen = 0
    for seed in range(600):
        problem = random_problem(seed)
        published = solve_by_enumeration(problem)
        expected = None if published is None else (published.cores, published.batch)
        assert by_look_ahead(problem) == expected, seed
        chosen += published is not None
    assert 150 < chosen < 550


def first_of_the_fewest(options, futures, free_s):
    counted = [max(misses(f, free_s, o.batch, o.table, len(f)) for f in futures) for o in options]
    return options[counted.index(min(counted))], min(counted)


def test_fewest_misses_is_the_first_option_with_the_least_of_the_worst_futures():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        futures = [random_work(rng) for _ in range(rng.integers(1, 5))]
        options = [
            Option(float(cores), batch, random_table(rng, batch, tail=1.2))
            for cores in (1, 2, 3)
            for batch in range(1, 5)
        ]
        free_s = float(rng.uniform(0, 0.3))
        assert fewest_misses(options, futures, free_s) == first_of_the_fewest(options, futures, free_s), seed


def test_without_options_there_is_no_outcome():
    assert fewest_misses([], [[Expected(0.0, 1.0)]], 0.0) is None


seeds = st.integers(0, 2**32)


@given(seeds, st.integers(0, 40))
def test_counting_may_stop_early_but_only_above_the_bound(seed, most):
    rng = np.random.default_rng(seed)
    batch, work = int(rng.integers(1, 9)), random_work(rng)
    table = random_table(rng, batch)
    exact, counted = misses(work, 0.0, batch, table, len(work)), misses(work, 0.0, batch, table, most)
    assert counted == exact if exact <= most else counted > most


@given(seeds, st.floats(-1e6, 1e6))
def test_only_differences_of_time_matter(seed, shift_s):
    rng = np.random.default_rng(seed)
    batch, table = int(rng.integers(1, 9)), ServiceTable((0.0, *[0.125] * 8), (0.0, *[0.25] * 8))
    work = [
        Expected(float(t) / 64, float(t + d) / 64)
        for t, d in zip(np.sort(rng.integers(0, 64, 20)), rng.integers(0, 90, 20), strict=True)
    ]
    whole_s = float(int(shift_s))
    moved = [Expected(w.release_s + whole_s, w.deadline_s + whole_s) for w in work]
    assert misses(moved, whole_s, batch, table, 20) == misses(work, 0.0, batch, table, 20)


def test_a_request_that_cannot_be_met_alone_costs_the_others_no_time():
    table = ServiceTable((0.0, 1.0), (0.0, 1.0))
    assert misses([Expected(0.0, 0.5), Expected(0.0, 1.0)], 0.0, 1, table, 2) == 1


def test_a_deadline_met_to_the_instant_is_met():
    assert misses([Expected(NOW_S, NOW_S + 1.0)], NOW_S, 1, ServiceTable((0.0, 1.0), (0.0, 1.0)), 1) == 0
