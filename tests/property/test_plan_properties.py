"""What holds for every plan, whatever the spec, the trace and the seed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.plan.arrivals as arrivals_module
from harness.plan import (
    ArrivalsSpec,
    ClientsSpec,
    Digest,
    NetworkSpec,
    Plan,
    PlanSpec,
    PlanSummary,
    build_plan,
    stream_plan,
)
from harness.traces.model import ArrivalTrace, BandwidthTrace, Trace

NET = BandwidthTrace("net", np.array([0.0, 2.0, 5.0, 6.0]), np.array([4e6, 0.0, 1e6, 9e6]), 8.0)
OTHER = BandwidthTrace("other", np.array([0.0]), np.array([2e6]), 8.0)
COUNTS = ArrivalTrace("counts", 40.0, counts=np.tile([3, 0, 11, 1], 10))
INSTANTS = ArrivalTrace("instants", 40.0, times_s=np.sort(np.random.default_rng(1).random(150) * 40.0))
TRACES: dict[str, Trace] = {"net": NET, "other": OTHER, "counts": COUNTS, "instants": INSTANTS}

arrivals = st.one_of(
    st.builds(
        ArrivalsSpec,
        kind=st.sampled_from(["constant", "uniform", "poisson", "burst-per-second"]),
        rate_rps=st.floats(1.0, 60.0),
    ),
    st.builds(
        ArrivalsSpec,
        kind=st.just("trace"),
        trace=st.sampled_from(["counts", "instants"]),
        spread=st.sampled_from(["poisson", "even"]),
        start_s=st.integers(0, 8).map(float),
    ),
)
networks = st.builds(
    NetworkSpec,
    traces=st.sampled_from([(), ("net",), ("net", "other")]),
    rtt_s=st.floats(0.0, 0.2),
    loop=st.just(True),
    sharing=st.sampled_from(["none", "client"]),
)
specs = st.builds(
    PlanSpec,
    duration_s=st.floats(0.5, 30.0),
    slo_s=st.floats(0.2, 4.0),
    payload_bytes=st.integers(0, 400_000),
    arrivals=arrivals,
    network=networks,
    clients=st.builds(ClientsSpec, count=st.integers(1, 5), offset_s=st.floats(0.0, 9.0)),
)
seeds = st.integers(0, 2**32)


@given(specs, seeds)
def test_the_same_seed_gives_the_same_plan(spec, seed):
    assert build_plan(spec, TRACES, seed).plan_sha256 == build_plan(spec, TRACES, seed).plan_sha256


@given(specs.filter(lambda spec: spec.arrivals.kind in ("uniform", "poisson", "burst-per-second")), seeds)
def test_another_seed_gives_another_plan(spec, seed):
    one, other = build_plan(spec, TRACES, seed), build_plan(spec, TRACES, seed + 1)
    assert one.plan_sha256 != other.plan_sha256 or len(one) == len(other) == 0


@given(specs, seeds)
def test_every_row_keeps_the_contract(spec, seed):
    columns = build_plan(spec, TRACES, seed).columns
    np.testing.assert_allclose(columns["due_s"], columns["created_s"] + columns["uplink_s"], rtol=0, atol=0)
    np.testing.assert_allclose(columns["deadline_s"], columns["created_s"] + columns["slo_s"], rtol=0, atol=0)
    assert np.all((columns["created_s"] >= 0.0) & (columns["created_s"] < spec.duration_s))
    assert np.all(columns["uplink_s"] >= 0.0)
    assert np.all(np.isfinite(columns["due_s"]))
    assert np.all((columns["client"] >= 0) & (columns["client"] < spec.clients.count))


@given(specs, seeds)
def test_rows_are_in_sending_order_and_ids_in_creation_order(spec, seed):
    plan = build_plan(spec, TRACES, seed)
    order = np.argsort(plan.columns["id"])
    assert np.all(np.diff(plan.due_s) >= 0.0)
    assert np.all(np.diff(plan.columns["created_s"][order]) >= 0.0)
    assert len(np.unique(plan.columns["id"])) == len(plan)


@given(specs, seeds)
def test_created_is_planned_plus_never_arrived_and_every_one_of_those_is_unmeetable(spec, seed):
    plan = build_plan(spec, TRACES, seed)
    counts = plan.counts()
    late = int(np.sum(plan.columns["due_s"] >= plan.columns["deadline_s"]))
    assert counts["created"] == counts["planned"] + counts["never_arrived"]
    assert counts["unmeetable"] == late + counts["never_arrived"]
    assert set(plan.columns["id"].tolist()) <= set(range(counts["created"]))


@pytest.mark.parametrize("kind", ["constant", "uniform", "poisson", "burst-per-second", "trace"])
@settings(max_examples=15)
@given(spec=specs, seed=seeds, piece=st.integers(1, 40))
def test_the_plan_does_not_depend_on_how_much_is_held_at_once(kind, spec, seed, piece):
    trace = "counts" if kind == "trace" else ""
    chosen = dataclasses.replace(spec.arrivals, kind=kind, trace=trace, rate_rps=20.0)
    network = dataclasses.replace(spec.network, sharing="none")
    spec = dataclasses.replace(spec, arrivals=chosen, network=network)
    whole = build_plan(spec, TRACES, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals_module, "PIECE_REQUESTS", piece)
        pieces = list(stream_plan(spec, TRACES, seed))
    digest = Digest()
    for one in pieces:
        digest.add(one.columns)
    assert digest.hexdigest() == whole.plan_sha256
    assert sum(one.never_arrived for one in pieces) == whole.never_arrived


@given(specs, seeds)
def test_a_summary_of_the_pieces_says_what_the_whole_plan_says(spec, seed):
    plan, summary = build_plan(spec, TRACES, seed), PlanSummary()
    for piece in stream_plan(spec, TRACES, seed):
        summary.add(piece)
    assert summary.counts() == plan.counts()
    assert summary.plan_sha256 == plan.plan_sha256


@given(specs, seeds)
def test_a_plan_survives_its_table(spec, seed):
    plan = build_plan(spec, TRACES, seed)
    again = Plan.from_table(plan.to_table(), never_arrived=plan.never_arrived, end_s=plan.end_s, seed=seed)
    assert again.plan_sha256 == plan.plan_sha256


@given(specs, seeds, st.floats(0.01, 5.0))
def test_the_peak_in_flight_is_the_fullest_window(spec, seed, horizon_s):
    plan = build_plan(spec, TRACES, seed)
    due = plan.due_s
    fullest = max((int(np.sum((due > at - horizon_s) & (due <= at))) for at in due), default=0)
    assert plan.peak_in_flight(horizon_s) == fullest
