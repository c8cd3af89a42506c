"""A network that only takes from the budgets, as in the prototype's evaluation."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.plan import ArrivalsSpec, NetworkSpec, PlanSpec, build_plan
from harness.traces.model import BandwidthTrace

RATES = np.array([8e6, 0.0, 4e6, 8e6, 2.7e6, 8e6, 8e6, 8e6, 8e6, 8e6])  # bit/s, one second each
TRACES = {"net": BandwidthTrace("net", np.arange(10.0), RATES, 10.0)}


def plan(*, delays):
    network = NetworkSpec(trace="net", rule="sponge-exact", delays=delays)
    spec = PlanSpec(8.0, 1.0, 300_000, ArrivalsSpec("constant", 2.0), network)
    return build_plan(spec, TRACES, 1)


def test_requests_reach_the_server_when_the_arrivals_say():
    made = plan(delays=False)
    assert made.due_s.tolist() == pytest.approx([0.0, 0.5, *np.arange(2.0, 8.0, 0.5)])


def test_their_budgets_are_those_they_would_have_had():
    by_id = [
        dict(zip(p.columns["id"], p.columns["deadline_s"] - p.columns["due_s"], strict=True))
        for p in (plan(delays=False), plan(delays=True))
    ]
    both = by_id[0].keys() & by_id[1].keys()
    assert both and all(by_id[0][id_] == pytest.approx(by_id[1][id_]) for id_ in both)


def test_what_never_arrives_is_counted_all_the_same():
    assert plan(delays=False).never_arrived == 2


def test_requests_that_queue_on_a_link_must_be_delayed():
    with pytest.raises(UsageError, match="delays = False; must be true where requests share a link"):
        NetworkSpec(trace="net", sharing="client", delays=False).validate("plan: network")
