"""An observation survives the trip between gateway and control loop, exactly."""

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.serve.observation import from_json, to_json
from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState, ServiceSample

times = st.floats(0, 1e7, allow_nan=False)
some = st.integers(0, 2**53)
names = st.text(min_size=1, max_size=12)
phases = st.sampled_from(["starting", "ready", "draining"])
queued = st.lists(st.builds(Queued, some, times, st.floats(-1e7, 1e7)), max_size=6).map(tuple)
cores = st.floats(0.05, 64)
observations = st.builds(
    Observation,
    now_s=times,
    window_s=st.floats(0.1, 60),
    allocation=st.builds(Allocation, cores, st.integers(1, 64), st.integers(0, 16), names, names),
    recent=queued,
    arrivals_per_s=st.lists(some, max_size=6).map(tuple),
    queue=queued,
    in_flight=st.lists(st.builds(InFlight, some, names, some, times, times), max_size=4).map(tuple),
    replicas=st.lists(
        st.builds(ReplicaState, names, cores, st.integers(1, 64), phases, some),
        max_size=4,
    ).map(tuple),
    service=st.lists(st.builds(ServiceSample, some, cores, times), max_size=4).map(tuple),
    counts=st.builds(Counts, some, some, some, some, some),
)  # fmt: skip


def over_the_wire(observation, shift_s=0.0):
    return from_json(json.loads(json.dumps(to_json(observation))), shift_s)


@given(observations)
def test_any_observation_comes_back_as_it_was(observation):
    assert over_the_wire(observation) == observation


@given(observations)
def test_what_comes_back_is_made_of_values(observation):
    seen = over_the_wire(observation)
    assert all(isinstance(r, Queued) for r in (*seen.recent, *seen.queue))
    assert hash(seen.replicas) == hash(observation.replicas)


WHOLE = Observation(
    now_s=1000.0,
    window_s=5.0,
    allocation=Allocation(1.0, 1),
    recent=(Queued(1, 999.0, 1001.0),),
    queue=(Queued(1, 999.0, 1001.0),),
    in_flight=(InFlight(0, "replica-0", 2, 998.0, 1000.5),),
    service=(ServiceSample(2, 1.0, 0.25),),
)


def test_a_shift_moves_every_time():
    seen = over_the_wire(WHOLE, -900.0)
    assert (seen.now_s, seen.recent, seen.queue) == (100.0, (Queued(1, 99.0, 101.0),), (Queued(1, 99.0, 101.0),))
    assert seen.in_flight == (InFlight(0, "replica-0", 2, 98.0, 100.5),)


def test_a_shift_moves_no_duration():
    seen = over_the_wire(WHOLE, -900.0)
    assert (seen.window_s, seen.service) == (5.0, (ServiceSample(2, 1.0, 0.25),))


def test_ids_stay_whole_numbers():
    assert isinstance(over_the_wire(WHOLE).queue[0].id, int)


def test_what_only_the_control_loop_knows_is_not_sent():
    assert not {"usage", "pending", "memory"} & to_json(WHOLE).keys()
