"""Every ablation of sponge changes exactly one thing."""

from dataclasses import replace

import pytest

from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.policy.system import SystemFile
from harness.settings import from_mapping, read_toml
from harness.types import Allocation, Counts, InFlight, Observation, Queued
from systems import SYSTEMS

CONDITIONS = Conditions(CoreGrid(1.0, 16.0, 1.0), 8, 1.0, 1.0, LatencyModel(0.14, 0.025, 0.0, 0.005))
ONE_THING = {
    "sponge-fifo": ({"order": "fifo"}, {}),
    "sponge-no-batching": ({}, {"batching": False}),
    "sponge-hold": ({}, {"infeasible": "hold"}),
    "sponge-maxout": ({}, {"infeasible": "maxout"}),
    "sponge-reactive": ({}, {"plans_for": "last-interval"}),
}


def file_of(name):
    return from_mapping(SystemFile, read_toml(SYSTEMS[name].file), name)


@pytest.fixture
def decide():
    """What a system decides."""

    def target(name, observation):
        return SYSTEMS[name].build(CONDITIONS, file_of(name).settings, name).decide(observation).target

    return target


def requests(count, every_s, budget_s, first_s=0.0, first_id=0):
    return tuple(Queued(first_id + k, first_s + k * every_s, first_s + k * every_s + budget_s) for k in range(count))


# 10 s into a run of 20 requests/s; Counts say that more came before the window
CALM = Observation(
    10.0, 5.0, Allocation(12.0, 4), requests(100, 0.05, 0.9, first_s=5.001), counts=Counts(arrived=200, served=200)
)
HOPELESS = replace(CALM, recent=requests(100, 0.05, 0.13, first_s=5.001))
BACKLOG = replace(CALM, queue=requests(30, 0.001, 1.0, first_s=9.9, first_id=100))
BUSY = replace(CALM, in_flight=(InFlight(1, "replica-0", 8, 9.99, 11.0),))
WAVE = replace(
    CALM,
    recent=requests(180, 0.005, 0.6, first_s=5.001) + requests(20, 0.05, 0.9, first_s=9.001, first_id=180),
    counts=Counts(arrived=400, served=400),
)
SITUATIONS = (CALM, HOPELESS, BACKLOG, BUSY, WAVE)


@pytest.mark.parametrize("name", ONE_THING)
def test_its_file_differs_from_that_of_sponge_in_one_setting(name):
    sponge, ablated, (engine, settings) = file_of("sponge"), file_of(name), ONE_THING[name]
    assert ablated.engine == sponge.engine | engine
    assert ablated.settings == sponge.settings | settings


@pytest.mark.parametrize("observation", SITUATIONS)
def test_fifo_decides_as_sponge_does(decide, observation):
    assert decide("sponge-fifo", observation) == decide("sponge", observation)


@pytest.mark.parametrize("observation", SITUATIONS)
def test_without_batching_the_batch_is_always_1(decide, observation):
    assert decide("sponge-no-batching", observation).batch_size == 1


@pytest.mark.parametrize("name", ["sponge-hold", "sponge-maxout"])
@pytest.mark.parametrize("observation", [CALM, BUSY])
def test_where_every_deadline_can_be_met_it_decides_as_sponge_does(decide, name, observation):
    assert decide(name, observation) == decide("sponge", observation)


def test_hold_keeps_the_allocation_when_a_deadline_cannot_be_met(decide):
    assert decide("sponge-hold", HOPELESS) == HOPELESS.allocation


def test_maxout_takes_all_cores_when_a_deadline_cannot_be_met(decide):
    assert decide("sponge-maxout", HOPELESS).cores == 16


def test_sponge_itself_pays_nothing_for_lost_causes(decide):
    assert decide("sponge", HOPELESS).cores < 16


def test_reactive_does_not_see_the_queue(decide):
    assert decide("sponge-reactive", BACKLOG) == decide("sponge-reactive", CALM)
    assert decide("sponge", BACKLOG).cores > decide("sponge", CALM).cores


def test_reactive_does_not_see_what_is_being_served(decide):
    assert decide("sponge-reactive", BUSY) == decide("sponge-reactive", CALM)


def test_reactive_looks_at_the_last_interval_only(decide):
    last = tuple(r for r in WAVE.recent if r.arrived_s > 9.0)
    assert decide("sponge-reactive", WAVE) == decide("sponge-reactive", replace(WAVE, recent=last))
    assert decide("sponge", WAVE).cores > decide("sponge-reactive", WAVE).cores


def test_reactive_is_ready_for_one_request_after_an_interval_without_any(decide):
    quiet = replace(CALM, recent=())
    assert decide("sponge-reactive", quiet) == Allocation(1.0, 1)
