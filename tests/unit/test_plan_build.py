"""Building plans."""

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UsageError
from harness.plan import ArrivalsSpec, ClientsSpec, NetworkSpec, Plan, PlanSpec, build_plan, describe_traces
from harness.tables import PLAN
from harness.traces import ArrivalTrace, BandwidthTrace

FLAT = BandwidthTrace("flat", np.array([0.0]), np.array([8e6]), 100.0)
OUTAGE = BandwidthTrace("outage", np.array([0.0, 10.0, 15.0]), np.array([8e6, 0.0, 8e6]), 100.0)
ON_FLAT = NetworkSpec(trace="net")


def plan_of(trace: BandwidthTrace = FLAT, seed: int = 0, **spec) -> Plan:
    return build_plan(PlanSpec(**{"duration_s": 20.0, "network": ON_FLAT, **spec}), {"net": trace}, seed)


def test_constant_arrivals_come_at_equal_distances_from_zero():
    created = plan_of(arrivals=ArrivalsSpec("constant", 4.0)).columns["created_s"]
    np.testing.assert_allclose(created, np.arange(80) / 4.0)


def test_the_uplink_is_the_payload_over_the_bandwidth_plus_the_round_trip():
    plan = plan_of(payload_bytes=100_000, network=NetworkSpec(trace="net", rtt_s=0.05))
    np.testing.assert_allclose(plan.columns["uplink_s"], 0.15)


def test_the_deadline_counts_from_creation():
    plan = plan_of(slo_s=2.5)
    np.testing.assert_array_equal(plan.columns["deadline_s"], plan.columns["created_s"] + 2.5)


def test_rows_are_in_the_order_they_are_sent_and_ids_in_the_order_of_creation():
    plan = plan_of(OUTAGE, arrivals=ArrivalsSpec("poisson", 50.0), slo_s=9.0, payload_bytes=10_000)
    by_id = np.argsort(plan.columns["id"])
    assert np.all(np.diff(plan.due_s) >= 0.0)
    assert np.all(np.diff(plan.columns["created_s"][by_id]) >= 0.0)


def test_the_table_has_exactly_the_contracts_schema():
    assert plan_of().to_table().schema.equals(PLAN)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another():
    arrivals = ArrivalsSpec("poisson", 20.0)
    one, same, other = (plan_of(arrivals=arrivals, seed=seed).plan_sha256 for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_request_that_arrives_after_its_deadline_is_planned_and_counted_as_unmeetable():
    plan = plan_of(OUTAGE, arrivals=ArrivalsSpec("constant", 1.0), payload_bytes=1000, slo_s=2.0)
    assert plan.counts() == {"created": 20, "planned": 20, "never_arrived": 0, "unmeetable": 4}


def test_a_request_whose_upload_outlasts_the_run_is_left_out_and_counted_as_never_arrived():
    dead = BandwidthTrace("dead", np.array([0.0, 10.0]), np.array([8e6, 0.0]), 20.0)
    plan = plan_of(dead, arrivals=ArrivalsSpec("constant", 1.0), payload_bytes=1000)
    assert plan.counts() == {"created": 20, "planned": 10, "never_arrived": 10, "unmeetable": 10}


def test_each_client_sees_the_network_from_its_own_offset():
    spec = {"arrivals": ArrivalsSpec("constant", 2.0), "clients": ClientsSpec(2, 11.0), "payload_bytes": 1000}
    plan = plan_of(OUTAGE, slo_s=30.0, duration_s=1.0, **spec)
    first, second = plan.columns["uplink_s"][np.argsort(plan.columns["client"])]
    assert first == pytest.approx(0.001)
    assert second == pytest.approx(15.0 - 11.5 + 0.001)


def test_a_run_longer_than_the_trace_is_refused_unless_it_loops():
    with pytest.raises(UsageError, match=r"flat: lasts 100 s; client 0 needs 120 s of it; shorten"):
        plan_of(duration_s=120.0)
    assert len(plan_of(duration_s=120.0, network=NetworkSpec(trace="net", loop=True))) == 2400


def test_requests_queue_on_a_shared_link():
    network = NetworkSpec(trace="net", sharing="all")
    plan = plan_of(arrivals=ArrivalsSpec("constant", 10.0), payload_bytes=150_000, duration_s=1.0, network=network)
    np.testing.assert_allclose(plan.columns["uplink_s"], 0.15 + 0.05 * np.arange(10))


def test_counts_of_a_trace_come_in_their_seconds():
    trace = ArrivalTrace("counts", 3.0, counts=np.array([2, 0, 3]))
    spec = PlanSpec(duration_s=3.0, arrivals=ArrivalsSpec("trace", trace="counts"))
    created = build_plan(spec, {"counts": trace}, 0).columns["created_s"]
    np.testing.assert_array_equal(np.bincount(created.astype(int)), [2, 0, 3])


def test_exact_instants_are_replayed_from_the_chosen_start():
    trace = ArrivalTrace("instants", 10.0, times_s=np.array([0.5, 4.0, 4.25, 9.0]))
    spec = PlanSpec(duration_s=3.0, arrivals=ArrivalsSpec("trace", trace="instants", start_s=4.0))
    np.testing.assert_array_equal(build_plan(spec, {"instants": trace}, 0).columns["created_s"], [0.0, 0.25])


def test_peak_in_flight_counts_the_requests_due_within_the_horizon():
    assert plan_of(arrivals=ArrivalsSpec("constant", 10.0)).peak_in_flight(0.95) == 10


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (PlanSpec(duration_s=float("nan")), "x: duration_s = nan; must be a finite number > 0"),
        (PlanSpec(slo_s=-1.0), "x: slo_s = -1.0; must be a finite number > 0"),
        (PlanSpec(payload_bytes=-1), "x: payload_bytes = -1; must be >= 0"),
        (PlanSpec(arrivals=ArrivalsSpec("poison")), "x: arrivals: unknown kind 'poison'; did you mean 'poisson'?"),
        (PlanSpec(arrivals=ArrivalsSpec("trace")), "x: arrivals: trace = ''; must name an arrival trace"),
        (PlanSpec(network=NetworkSpec(rtt_s=-0.1)), "x: network: rtt_s = -0.1; must be a finite number >= 0"),
        (PlanSpec(clients=ClientsSpec(0)), "x: clients: count = 0; must be >= 1"),
    ],
)
def test_a_bad_value_is_refused_with_place_value_and_rule(spec: PlanSpec, message: str):
    with pytest.raises(UsageError) as refused:
        spec.validate("x")
    assert str(refused.value).startswith(message)


def test_transforms_are_done_before_the_plan_and_told_to_the_manifest():
    network = NetworkSpec(trace="net", transforms=("scale-mean 16",))
    spec = PlanSpec(duration_s=10.0, payload_bytes=100_000, network=network)
    plan = build_plan(spec, {"net": FLAT}, 0)
    np.testing.assert_allclose(plan.columns["uplink_s"], 0.05)
    assert describe_traces(spec, {"net": FLAT})[0]["transforms"] == ["scale-mean 16"]


def test_a_downlink_measurement_used_as_uplink_says_so():
    spec = PlanSpec(duration_s=10.0, network=ON_FLAT)
    up = replace(FLAT, direction="up")
    assert describe_traces(spec, {"net": FLAT})[0]["note"] == "measured downlink, used as uplink"
    assert "note" not in describe_traces(spec, {"net": up})[0]


def test_clients_take_their_carriers_and_payloads_in_turn():
    slow = BandwidthTrace("slow", np.array([0.0]), np.array([1e6]), 100.0)
    spec = PlanSpec(
        duration_s=1.0,
        slo_s=9.0,
        arrivals=ArrivalsSpec("constant", 4.0),
        network=NetworkSpec(traces=("fast", "slow")),
        clients=ClientsSpec(4, payloads_bytes=(100_000, 100_000, 50_000, 25_000)),
    )
    plan = build_plan(spec, {"fast": FLAT, "slow": slow}, 0)
    by_client = np.argsort(plan.columns["client"])
    np.testing.assert_allclose(plan.columns["uplink_s"][by_client], [0.1, 0.8, 0.05, 0.2])


def test_the_prototypes_rule_gives_every_request_of_a_second_the_same_remaining_slo():
    trace = BandwidthTrace("rows", np.arange(3.0), np.array([8e6, 1.6e6, 7.0]), 3.0)
    spec = PlanSpec(
        duration_s=3.0,
        slo_s=1.0,
        payload_bytes=100_050,
        arrivals=ArrivalsSpec("constant", 2.0),
        network=NetworkSpec(trace="rows", rule="sponge-exact"),
    )
    plan = build_plan(spec, {"rows": trace}, 0)
    np.testing.assert_allclose(plan.columns["uplink_s"], [0.101, 0.101, 0.501, 0.501])
    assert plan.never_arrived == 2


def test_a_link_that_dies_leaves_everything_queued_behind_it_unarrived():
    dying = BandwidthTrace("dying", np.array([0.0, 5.0]), np.array([8e6, 0.0]), 10.0)
    network = NetworkSpec(trace="net", sharing="all")
    spec = {"duration_s": 10.0, "arrivals": ArrivalsSpec("constant", 1.0), "payload_bytes": 100_000}
    assert plan_of(dying, network=network, **spec).counts()["never_arrived"] == 5


def test_a_trace_of_the_wrong_kind_is_refused():
    counts = ArrivalTrace("counts", 100.0, counts=np.ones(100, np.int64))
    with pytest.raises(UsageError, match="network: trace 'net' holds arrivals; must be a bandwidth trace"):
        plan_of(counts)
    with pytest.raises(UsageError, match="arrivals: trace 'net' is a bandwidth trace; must hold arrivals"):
        plan_of(arrivals=ArrivalsSpec("trace", trace="net"))


def test_requests_are_values_in_sending_order():
    plan = plan_of(duration_s=1.0, arrivals=ArrivalsSpec("constant", 2.0), payload_bytes=1000)
    assert [(request.id, request.created_s, request.payload_bytes) for request in plan.requests()] == [
        (0, 0.0, 1000),
        (1, 0.5, 1000),
    ]
