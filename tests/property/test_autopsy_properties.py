"""The parts of a request's time are the whole, whatever happened to it."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from harness.autopsy import PARTS, by_cause, parts_of, pending_growth, time_within
from harness.autopsy.causes import cause_times, dominant_cause, episodes
from harness.tables import DECISIONS, REQUESTS, table_of

STRETCH = st.floats(0.0, 50.0)
SHORT = st.floats(0.0, 3.0)
POINTS = ("created_s", "due_s", "sent_s", "queued_s", "started_s", "finished_s", "received_s")


@st.composite
def request_row(draw, number=0):
    """One request: served, dropped (never started) or failed (the server told nothing)."""
    times = np.cumsum([draw(STRETCH), *(draw(SHORT) for _ in range(6))]).tolist()
    row = dict(zip(POINTS, times, strict=True))
    status = draw(st.sampled_from(["served", "dropped", "failed"]))
    gone = {"served": (), "dropped": ("started_s", "finished_s"), "failed": ("queued_s", "started_s", "finished_s")}
    row |= dict.fromkeys(gone[status])
    return row | {"id": number, "client": 0, "deadline_s": row["created_s"] + draw(SHORT), "status": status}


@st.composite
def decision_rows(draw):
    """Decisions in order of time; each asks for cores and gets them, or something else, later."""
    rows, now_s = [], 0.0
    for _ in range(draw(st.integers(0, 8))):
        now_s += draw(SHORT)
        cores = draw(st.sampled_from([1.0, 2.0, 4.0]))
        effective_s = now_s + draw(SHORT)
        got = draw(st.sampled_from([cores, cores, 1.0]))
        rows.append(
            {
                "tick_s": now_s,
                "requested_at_s": now_s,
                "effective_s": effective_s,
                "target_cores": cores,
                "target_replicas": 1,
                "effective_cores": got,
                "effective_replicas": 1,
            }
        )
        now_s = effective_s
    return rows


requests = st.lists(request_row(), min_size=1, max_size=20).map(
    lambda rows: table_of([row | {"id": at} for at, row in enumerate(rows)], REQUESTS)
)
decisions = decision_rows().map(lambda rows: table_of(rows, DECISIONS))


@given(requests, decisions)
def test_the_parts_of_every_request_sum_to_its_whole_time(rows, changes):
    parts = parts_of(rows, pending_growth(changes, 1.0))
    whole_s = rows["received_s"].to_numpy() - rows["created_s"].to_numpy()
    assert np.abs(parts[list(PARTS)].sum(axis=1) - whole_s).max() <= 1e-9


@given(requests, decisions)
def test_the_parts_less_the_slo_are_the_lateness(rows, changes):
    parts = parts_of(rows, pending_growth(changes, 1.0))
    slo_s = rows["deadline_s"].to_numpy() - rows["created_s"].to_numpy()
    late_s = rows["received_s"].to_numpy() - rows["deadline_s"].to_numpy()
    assert np.abs(parts[list(PARTS)].sum(axis=1) - slo_s - late_s).max() <= 1e-9


@given(requests, decisions)
def test_causes_sum_to_the_whole_as_the_parts_do(rows, changes):
    parts = parts_of(rows, pending_growth(changes, 1.0))
    assert np.abs(cause_times(parts).sum(axis=1) - parts["whole_s"]).max() <= 1e-9


@given(requests, decisions)
def test_no_part_of_an_ordered_timeline_is_negative(rows, changes):
    parts = parts_of(rows, pending_growth(changes, 1.0))
    assert parts[list(PARTS)].min(axis=None) >= -1e-9


@given(requests)
def test_without_a_pending_growth_nothing_is_actuation(rows):
    nothing = table_of([], DECISIONS)
    assert (parts_of(rows, pending_growth(nothing, 1.0))["actuation_s"] == 0.0).all()


@given(decisions, st.lists(st.tuples(STRETCH, SHORT), min_size=1, max_size=10))
def test_time_within_spans_is_what_counting_each_span_gives(changes, intervals):
    spans = pending_growth(changes, 1.0)
    from_s, length_s = np.array(intervals).T
    counted = [sum(max(0.0, min(b + n, v) - max(b, u)) for u, v in spans) for b, n in intervals]
    assert np.allclose(time_within(spans, from_s, from_s + length_s), counted, atol=1e-9)


@given(decisions)
def test_spans_of_pending_growth_are_disjoint_and_ascend(changes):
    edges = pending_growth(changes, 1.0).ravel()
    assert (np.diff(edges) > 0).all()


@given(st.lists(st.floats(0.0, 100.0), max_size=30))
def test_episodes_count_every_violation_once(times_s):
    assert sum(count for _, _, count in episodes(np.array(times_s))) == len(times_s)


@given(requests, decisions)
def test_groups_by_cause_count_every_violation_once(rows, changes):
    known = rows.select(["status", "created_s"]).to_pandas()
    found = pd.concat([known, parts_of(rows, pending_growth(changes, 1.0))], axis=1).assign(lateness_s=0.0)
    found["cause"] = dominant_cause(found)
    assert by_cause(found)["violations"].sum() == len(found)


def test_pending_growth_of_no_decisions_is_empty():
    assert pending_growth(pa.Table.from_pylist([], schema=DECISIONS), 1.0).shape == (0, 2)
