"""The autopsy, on timelines made by hand."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from harness.autopsy import (
    Rescue,
    examine,
    headline,
    parts_of,
    pending_growth,
    rescue_rows,
    smallest_rescue,
    worst_stretch,
)
from harness.autopsy.causes import when
from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.tables import DECISIONS, REQUESTS, table_of, write_parquet

LATENCY = LatencyModel(0.1, 0.0, 0.0, 0.0)
NO_SPANS = np.empty((0, 2))


def request(**differences):
    """Created at 10 s, SLO 1 s, 100 ms in every stretch: answered after 600 ms."""
    row = {"id": 0, "client": 0, "status": "served", "created_s": 10.0, "deadline_s": 11.0}
    names = ("due_s", "sent_s", "queued_s", "started_s", "finished_s", "received_s")
    return row | {name: 10.1 + 0.1 * at for at, name in enumerate(names)} | differences


def decision(requested_s, effective_s, cores, got=None):
    return {
        "tick_s": requested_s,
        "requested_at_s": requested_s,
        "effective_s": effective_s,
        "target_cores": cores,
        "target_replicas": 1,
        "effective_cores": cores if got is None else got,
        "effective_replicas": 1,
    }


def spans(*rows, start=1.0):
    return pending_growth(table_of(rows, DECISIONS), start).tolist()


def parts(row, pending=NO_SPANS):
    return parts_of(table_of([row], REQUESTS), np.asarray(pending, dtype=float)).iloc[0]


@pytest.fixture
def folder(tmp_path):
    """A finished folder with one request in time, one late, one dropped and one failed."""

    def write(**differences):
        gone = {"started_s": None, "finished_s": None}
        rows = [
            request(id=0),
            request(id=1, finished_s=11.2, received_s=11.25),
            request(id=2, status="dropped", received_s=10.95, **gone),
            request(id=3, status="failed", queued_s=None, received_s=12.0, error="boom", **gone),
        ]
        manifest = {
            "scenario": {"plan": {"duration_s": 20.0}},
            "system": {"name": "tested"},
            "seed": 1,
            "start": {"cores": 0.5, "replicas": 1},
            "latency": LATENCY.to_dict(),
            "counts": {"planned": 5},
            "send_lag": {},
            "valid": True,
            "invalid_reasons": [],
        }
        write_parquet(tmp_path / "requests.parquet", table_of(rows, REQUESTS))
        write_parquet(tmp_path / "decisions.parquet", table_of([decision(5.0, 6.0, 2.0)], DECISIONS))
        text = json.dumps(manifest | differences)
        (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_every_stretch_of_a_served_request_is_a_part_of_its_own():
    found = parts(request())
    names = ["uplink_s", "client_lag_s", "inbound_s", "queueing_s", "service_s", "outbound_s"]
    assert found[names].tolist() == pytest.approx([0.1] * 6)


def test_waiting_while_a_growth_is_pending_is_actuation_and_not_queueing():
    found = parts(request(), [[10.25, 10.35]])
    assert (found["actuation_s"], found["queueing_s"]) == pytest.approx((0.05, 0.05))


def test_service_while_a_growth_is_pending_is_actuation_and_not_service():
    found = parts(request(), [[10.45, 20.0]])
    assert (found["actuation_s"], found["service_s"]) == pytest.approx((0.05, 0.05))


def test_a_dropped_request_was_queueing_until_it_was_refused():
    found = parts(request(status="dropped", started_s=None, finished_s=None, received_s=10.9))
    assert (found["queueing_s"], found["outbound_s"]) == pytest.approx((0.6, 0.0))


def test_a_request_without_an_answer_has_no_whole_time():
    assert np.isnan(parts(request(status="failed", received_s=None))["whole_s"])


def test_a_growth_is_pending_from_the_request_until_it_is_in_force():
    assert spans(decision(1.0, 3.0, 2.0)) == [[1.0, 3.0]]


def test_a_shrinking_is_never_pending():
    assert spans(decision(1.0, 3.0, 0.5)) == []


def test_a_growth_that_failed_is_pending_until_the_next_decision():
    assert spans(decision(1.0, 2.0, 4.0, got=1.0), decision(5.0, 5.0, 1.0)) == [[1.0, 5.0]]


def test_a_growth_that_is_asked_for_again_and_again_is_one_span():
    failing = [decision(t, t + 0.5, 4.0, got=1.0) for t in (1.0, 2.0, 3.0)]
    assert spans(*failing, decision(4.0, 4.25, 4.0)) == [[1.0, 4.25]]


def test_the_last_growth_that_never_came_is_pending_to_the_end():
    assert spans(decision(1.0, 2.0, 4.0, got=1.0)) == [[1.0, float("inf")]]


def test_a_late_request_is_late_by_its_answer(folder):
    assert examine(folder()).requests["lateness_s"][1] == pytest.approx(0.25)


def test_a_dropped_request_would_have_needed_its_service_on_the_cores_in_force(folder):
    assert examine(folder()).requests["needed_s"][2] == pytest.approx(LATENCY.predict_s(1, 2.0))


def test_a_dropped_request_is_late_by_what_it_would_have_missed(folder):
    assert examine(folder()).requests["lateness_s"][2] == pytest.approx(10.95 + 0.05 - 11.0)


def test_the_cause_of_a_failed_request_is_its_failure(folder):
    assert examine(folder()).violations["cause"].tolist() == ["service", "queueing", "failure"]


def test_planned_requests_without_a_row_are_counted(folder):
    assert examine(folder()).unaccounted == 1


def test_an_unfinished_run_is_refused_with_its_state(folder):
    place = folder()
    (place / "manifest.json").write_text('{"state": "running"}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"state 'running'.*did not end"):
        examine(place)


def test_episodes_are_told_in_order_of_time_the_largest_three():
    times_s = np.array([1.0, 1.5, 10.0, 20.0, 20.5, 21.0, 30.0, 30.25])
    assert when(times_s) == "1.0–1.5 s (2), 20.0–21.0 s (3), 30.0–30.2 s (2) and 1 more"


REPLAYED = np.array([True, True, True, False])
RESCUES = (
    Rescue("small", "", np.array([True, False, True, True])),
    Rescue("large", "", np.array([False, False, True, False])),
    Rescue("chance", "", np.array([False, False, False, False]), is_chance=True),
)


def test_the_smallest_change_that_saves_a_request_is_named():
    assert smallest_rescue(REPLAYED, RESCUES) == ["large", "small", "", ""]


def test_what_a_change_breaks_is_counted_beside_what_it_saves():
    rows = rescue_rows(REPLAYED, RESCUES)
    assert rows[["saved", "new", "violations"]].iloc[0].tolist() == [1, 1, 3]


def test_without_violations_no_share_is_claimed():
    assert pd.isna(rescue_rows(np.zeros(4, dtype=bool), RESCUES)["share"]).all()


def test_the_headline_says_how_requests_violated(folder):
    expected = "4 of 5 requests violated (80.00%): 1 late, 1 dropped, 1 failed, 1 without a row"
    assert headline(examine(folder())) == expected


def test_a_few_violations_are_no_stretch_to_describe(folder):
    assert worst_stretch(examine(folder())) == ""


def test_the_worst_stretch_is_set_beside_the_whole_run(simulated_run):
    text = worst_stretch(examine(simulated_run / "static-half" / "seed-1"))
    assert re.search(r"[\d.]+ requests/s were created \([\d.]+ over the run\).*2 cores per replica were in force", text)
