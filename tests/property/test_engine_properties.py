"""What holds for the engine whatever happens: arrivals, resizes, drains, failures and changes of its settings."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engine import Engine
from harness.types import Drop, EngineSettings, EventKind, Queued, StartBatch

# Times are multiples of 1/8 s, so that events meet on the same instant often, and sums are exact.
TICK = 1 / 8
NAMES = ("replica-0", "replica-1", "replica-2")

engine_settings = st.builds(
    EngineSettings,
    batch_size=st.integers(1, 5),
    order=st.sampled_from(["edf", "fifo"]),
    close=st.sampled_from(["idle", "timeout", "slack"]),
    drop=st.sampled_from(["never", "expired", "hopeless"]),
    timeout_s=st.integers(0, 12).map(lambda n: n * TICK),
    batches_in_flight=st.integers(1, 3),
)
instants = st.integers(0, 80).map(lambda n: n * TICK)
budgets = st.integers(-8, 60).map(lambda n: n * TICK)
changes = st.one_of(
    st.tuples(st.just("configure"), engine_settings),
    st.tuples(st.just("resize"), st.tuples(st.sampled_from(NAMES), st.sampled_from([0.5, 1.0, 2.0]))),
    st.tuples(st.just("drain"), st.sampled_from(NAMES)),
)


@dataclass(frozen=True)
class Story:
    """Everything that will happen to one engine."""

    settings: EngineSettings
    arrivals: list[tuple[float, float]]
    changes: list[tuple[float, tuple[str, object]]]
    seed: int
    failing: bool


def stories(*, changing=True, **fixed):
    chosen = st.builds(
        lambda s: EngineSettings(**{**{k: getattr(s, k) for k in s.__slots__}, **fixed}), engine_settings
    )
    return st.builds(
        Story,
        settings=chosen,
        arrivals=st.lists(st.tuples(instants, budgets), max_size=60),
        changes=st.lists(st.tuples(instants, changes), max_size=8 if changing else 0),
        seed=st.integers(0, 1000),
        failing=st.booleans(),
    )


def predict_s(batch, cores):
    return TICK * (2 + 2 * batch) / cores


def fastest_s(batch, cores):
    return TICK * (1 + batch) / cores


def change(engine, now_s, what, value):
    """Apply one change; the last replica stays, so that everything ends."""
    if what == "configure":
        return engine.configure(now_s, value)
    if what == "resize":
        return engine.set_replica(now_s, *value)
    ready = {r.name for r in engine.replicas() if r.phase == "ready"}
    if value in ready and len(ready) > 1:
        engine.drain_replica(value)
    return []


def events_of(story):
    yield 0.0, EventKind.FINISH, lambda engine, _: engine.set_replica(0.0, "replica-0", 1.0)
    yield 0.0, EventKind.FINISH, lambda engine, _: engine.set_replica(0.0, "replica-1", 0.5)
    for k, (t_s, budget_s) in enumerate(story.arrivals):
        request = Queued(k, t_s, t_s + budget_s)
        yield t_s, EventKind.ARRIVE, lambda engine, now_s, request=request: engine.arrive(now_s, request)
    for t_s, (what, value) in story.changes:
        yield t_s, EventKind.TICK, lambda engine, now_s, w=what, v=value: change(engine, now_s, w, v)


@pytest.fixture(scope="session")
def told(replay):
    """Plays a story to its end."""

    def tell(story, watch=lambda *_: None):
        rng = random.Random(story.seed)
        engine = Engine(story.settings, predict_s, fastest_s)
        played = replay(
            engine,
            service_s=lambda start: predict_s(len(start.requests), start.cores) * rng.choice([0.5, 1, 1, 2]),
            ok=lambda _: not story.failing or rng.random() < 0.8,
            watch=watch,
        )
        return played.run(events_of(story))

    return tell


lasting = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])


@lasting
@given(story=stories())
def test_every_request_ends_exactly_once(told, story):
    played = told(story)
    ended = [r.id for start in played.starts for r in start.requests] + [d.request.id for _, d in played.drops]
    assert Counter(ended) == Counter(range(len(story.arrivals)))


@lasting
@given(story=stories())
def test_the_counts_add_up_after_every_event(told, story):
    def watch(engine, *_):
        c = engine.counts()
        in_flight = sum(f.size for f in engine.observe(0.0).in_flight)
        assert c.arrived == engine.queue_length() + in_flight + c.served + c.dropped + c.failed

    told(story, watch)


@lasting
@given(story=stories())
def test_nothing_starts_before_it_arrives(told, story):
    assert all(r.arrived_s <= start.started_s for start in told(story).starts for r in start.requests)


@lasting
@given(story=stories())
def test_a_batch_is_never_empty_nor_larger_than_the_bound_in_force(told, story):
    def watch(engine, _, effects):
        sizes = [len(e.requests) for e in effects if isinstance(e, StartBatch)]
        assert all(1 <= size <= engine.settings.batch_size for size in sizes)

    told(story, watch)


@lasting
@given(story=stories())
def test_no_replica_is_given_more_than_it_may_hold_and_none_that_drains_anything(told, story):
    def watch(engine, _, effects):
        used = {e.replica for e in effects if isinstance(e, StartBatch)}
        states = {r.name: r for r in engine.replicas()}
        assert all(states[name].phase == "ready" for name in used)
        assert all(states[name].batches_in_flight <= engine.settings.batches_in_flight for name in used)

    told(story, watch)


@lasting
@given(story=stories())
def test_what_leaves_is_ahead_of_what_stays(told, story):
    """Edf never passes over an earlier deadline, fifo never an earlier arrival; what was dropped is no longer there."""
    place = {}

    def watch(engine, _, effects):
        queue = [r for e in effects if isinstance(e, StartBatch) for r in e.requests] + list(engine.observe(0.0).queue)
        for request in queue:
            place.setdefault(request.id, len(place))
        if any(isinstance(e, StartBatch) for e in effects):
            edf = engine.settings.order == "edf"
            keys = [(r.deadline_s if edf else 0.0, r.arrived_s) for r in queue]
            assert keys == sorted(keys)

    told(story, watch)


@lasting
@given(story=stories(close="idle", changing=False))
def test_under_idle_no_replica_is_free_while_requests_wait(told, story):
    def watch(engine, *_):
        free = [r for r in engine.replicas() if r.batches_in_flight < engine.settings.batches_in_flight]
        assert not (free and engine.queue_length())

    told(story, watch)


@lasting
@given(story=stories(close="timeout", drop="never", changing=False))
def test_under_timeout_a_free_replica_leaves_nobody_waiting_longer_than_the_timeout(told, story):
    def watch(engine, now_s, _):
        free = [r for r in engine.replicas() if r.batches_in_flight < engine.settings.batches_in_flight]
        oldest_s = min((r.arrived_s for r in engine.observe(now_s).queue), default=now_s)
        assert not free or engine.queue_length() < engine.settings.batch_size
        assert not free or now_s <= oldest_s + engine.settings.timeout_s  # at the instant itself, the wake is next

    told(story, watch)


@lasting
@given(story=stories(close="slack", order="edf", drop="never", changing=False))
def test_under_slack_a_free_replica_never_holds_back_a_head_without_slack(told, story):
    def watch(engine, now_s, _):
        free = [r for r in engine.replicas() if r.batches_in_flight < engine.settings.batches_in_flight]
        if free and engine.queue_length():
            cores = min(free, key=lambda r: r.batches_in_flight).cores
            head = engine.observe(now_s).queue[0]
            leave_s = head.deadline_s - predict_s(engine.settings.batch_size, cores)
            assert now_s <= max(leave_s, head.arrived_s)  # at the instant itself, the wake is next

    told(story, watch)


@lasting
@given(story=stories())
def test_only_what_the_rule_in_force_gives_up_is_dropped(told, story):
    def watch(engine, now_s, effects):
        rule = engine.settings.drop
        slowest = min(r.cores for r in engine.replicas())
        for drop in (e for e in effects if isinstance(e, Drop)):
            due_s = drop.request.deadline_s
            assert rule != "never"
            assert (drop.reason == "expired") == (now_s > due_s)
            assert now_s > due_s or (rule == "hopeless" and now_s + fastest_s(1, slowest) > due_s)

    told(story, watch)


@lasting
@given(story=stories(drop="hopeless", changing=False))
def test_under_hopeless_nothing_is_started_that_was_already_hopeless(told, story):
    starts = told(story).starts
    assert all(s.started_s + fastest_s(1, s.cores) <= r.deadline_s for s in starts for r in s.requests)


@lasting
@given(story=stories())
def test_the_same_story_ends_the_same(told, story):
    first, second = told(story), told(story)
    assert (first.starts, first.drops, first.finished_s) == (second.starts, second.drops, second.finished_s)
