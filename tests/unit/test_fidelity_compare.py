"""Differences, bounds and what is said of them, on rows whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest

from harness.fidelity.compare import (
    BOUNDS,
    Bound,
    closings,
    components_of,
    difference,
    differences,
    explained,
    off,
    sensitivity,
)
from harness.fidelity.measures import FIDELITY, Conditions, Label, measured, write_rows
from harness.fidelity.report import Context, as_json, report, sentence, verdict
from harness.figures.fidelity import save_fidelity
from harness.tables import DECISIONS, REQUESTS, read_parquet, table_of

CONDITIONS = Conditions(planned=100, start=(1.0, 1), duration_s=10.0)
CONTEXT = Context("made up", {"run": "none"}, ("note: none of this happened",), {"gateway overhead": "ways in and out"})


def requests(slower=1.0, late=0):
    rows = []
    for k in range(100):
        latency_s = (0.1 + 0.005 * k) * slower
        deadline_s = 0.0 if k < late else 100.0
        rows.append(
            {"id": k, "created_s": 0.1 * k, "received_s": 0.1 * k + latency_s, "deadline_s": 0.1 * k + deadline_s,
             "status": "served", "batch_id": k // 2, "batch_size": 2}
        )  # fmt: skip
    return table_of(rows, REQUESTS)


def decisions(cores=1.0):
    row = {"tick_s": 5.0, "requested_at_s": 5.0, "effective_s": 5.0, "effective_cores": cores, "effective_replicas": 1}
    return table_of([row], DECISIONS)


def rows_of(*runs):
    """Tidy rows of (source, slower, late, cores), one draw each."""
    return pd.concat(
        [
            measured(Label("sponge", 1, source, draw), requests(slower, late), decisions(cores), CONDITIONS)
            for draw, (source, slower, late, cores) in enumerate(runs)
        ]
    )


SAME = ("real", 1.0, 0, 1.0), ("twin", 1.0, 0, 1.0)


def test_a_run_held_against_itself_differs_in_nothing():
    assert [one.off for one in differences(rows_of(*SAME))] == [0.0] * len(BOUNDS)


def test_a_twin_ten_per_cent_slower_is_found_ten_per_cent_slower():
    found = differences(rows_of(("real", 1.0, 0, 1.0), ("twin", 1.1, 0, 1.0)))
    latencies = [one.off for one in found if one.bound.metric.startswith("latency")]
    assert latencies == pytest.approx([0.1, 0.1, 0.1])


@pytest.mark.parametrize(("slower", "within"), [(1.09, True), (1.11, False), (0.91, True), (0.89, False)])
def test_the_bound_on_latency_is_ten_per_cent_either_way(slower, within):
    found = differences(rows_of(("real", 1.0, 0, 1.0), ("twin", slower, 0, 1.0)))
    assert [one.within for one in found if one.bound.metric == "latency_p99_s"] == [within]


@pytest.mark.parametrize(("late", "within"), [(1, True), (2, False)])
def test_the_bound_on_violations_is_one_point(late, within):
    found = differences(rows_of(("real", 1.0, 0, 1.0), ("twin", 1.0, late, 1.0)))
    assert [one.within for one in found if one.bound.metric == "violation_rate"] == [within]


def test_the_bound_on_core_seconds_is_two_per_cent_of_the_real_ones():
    found = differences(rows_of(("real", 1.0, 0, 1.0), ("twin", 1.0, 0, 1.06)))
    core_s = next(one for one in found if one.bound.metric == "granted_core_s")
    assert (core_s.real, core_s.twin, core_s.within) == (10.0, pytest.approx(10.3), False)


def test_the_value_of_the_twin_is_the_median_of_its_draws():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.0, 0, 1.0), ("twin", 1.05, 0, 1.0), ("twin", 9.0, 0, 1.0))
    assert difference(rows, "sponge", BOUNDS[1]).off == pytest.approx(0.05)


def test_seeds_are_averaged_before_they_are_compared():
    frames = [
        measured(Label("sponge", seed, source), requests(slower), decisions(), CONDITIONS)
        for seed, source, slower in ((1, "real", 0.9), (2, "real", 1.1), (1, "twin", 1.0), (2, "twin", 1.0))
    ]
    assert difference(pd.concat(frames), "sponge", BOUNDS[1]).off == pytest.approx(0.0)


def test_what_has_no_value_keeps_no_bound():
    nobody = table_of([], REQUESTS)
    frames = [
        measured(Label("sponge", 1, source), nobody, decisions(), Conditions(0, (1.0, 1), 10.0))
        for source in ("real", "twin")
    ]
    assert not difference(pd.concat(frames), "sponge", BOUNDS[1]).within


def test_a_relative_difference_from_zero_has_no_value():
    assert np.isnan(off(0.0, 1.0, "relative"))


def test_equal_values_differ_by_zero_even_at_zero():
    assert off(0.0, 0.0, "relative") == 0.0


def test_a_component_that_brings_the_real_value_closes_the_whole_difference():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.5, 0, 1.0), ("gateway overhead", 1.0, 0, 1.0))
    assert [c.closed for c in closings(rows) if c.bound.metric == "latency_p50_s"] == pytest.approx([0.5])


def test_the_component_that_closes_most_is_named_first():
    rows = rows_of(
        ("real", 1.0, 0, 1.0), ("twin", 1.5, 0, 1.0), ("resize delay", 1.4, 0, 1.0), ("gateway overhead", 1.1, 0, 1.0)
    )
    assert [c.component for c in explained(closings(rows), "sponge", "latency_p95_s")] == [
        "gateway overhead",
        "resize delay",
    ]


def test_the_sentence_of_a_difference_names_the_component_and_how_much_it_closes():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.5, 0, 1.0), ("gateway overhead", 1.1, 0, 1.0))
    text = sentence(difference(rows, "sponge", BOUNDS[1]), explained(closings(rows), "sponge", "latency_p50_s"))
    assert text == "- sponge, latency p50: +50.0%; gateway overhead closes most of it alone (80%), to +10.0%"


def test_the_verdict_names_every_missed_bound():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.0, 3, 1.0))
    assert verdict(differences(rows)) == "4 of 5 bounds are kept; missed: sponge violation rate +3.00 pp."


def test_the_report_shows_both_numbers_and_their_units():
    text = report(rows_of(*SAME), CONTEXT)
    line = next(line for line in text.splitlines() if "| latency p50" in line)
    assert [cell.strip() for cell in line.split("|")[3:5]] == ["347 ms", "347 ms"]


def test_the_json_has_the_differences_and_no_nan():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.1, 0, 1.0))
    values = json.loads(json.dumps(as_json(rows, CONTEXT), allow_nan=False))
    assert values["differences"][1]["off"] == pytest.approx(0.1)


def test_rows_survive_the_file(tmp_path):
    rows = write_rows(tmp_path / "fidelity.parquet", [rows_of(*SAME)])
    kept = read_parquet(tmp_path / "fidelity.parquet", FIDELITY).to_pandas()
    pd.testing.assert_frame_equal(kept, rows, check_dtype=False)


def test_batch_shares_add_up_to_one():
    rows = rows_of(*SAME)
    shares = rows[(rows["metric"] == "batch_share") & (rows["source"] == "real")]
    assert dict(zip(shares["at"], shares["value"], strict=True)) == {2.0: 1.0}


def test_the_figure_is_written_as_pdf_and_png(tmp_path):
    files = save_fidelity(rows_of(*SAME), "made up", 0.5, tmp_path)
    assert [path.read_bytes()[:4] for path in files] == [b"%PDF", b"\x89PNG"]


def test_bounds_are_those_the_twin_was_promised_with():
    assert [(b.metric, b.kind, b.most) for b in BOUNDS] == [
        ("violation_rate", "absolute", 0.01),
        ("latency_p50_s", "relative", 0.10),
        ("latency_p95_s", "relative", 0.10),
        ("latency_p99_s", "relative", 0.10),
        ("granted_core_s", "relative", 0.02),
    ]


def test_a_bound_exactly_reached_is_kept():
    rows = rows_of(("real", 1.0, 0, 1.0), ("twin", 1.0, 1, 1.0))
    assert difference(rows, "sponge", Bound("violation_rate", "absolute", 0.01)).within


def test_the_sensitivity_is_the_change_against_the_same_draw():
    rows = pd.concat(
        [
            measured(Label("sponge", 1, source, draw), requests(slower), decisions(), CONDITIONS)
            for source, draw, slower in (
                ("real", 0, 1.0), ("twin", 0, 1.0), ("twin", 1, 2.0), ("service +1 %", 0, 1.1), ("service +1 %", 1, 2.1)
            )
        ]
    )  # fmt: skip
    assert sensitivity(rows, "sponge", BOUNDS[1]) == pytest.approx(0.1)


def test_what_was_only_made_slower_is_no_component():
    assert components_of(rows_of(*SAME, ("service +1 %", 1.01, 0, 1.0))) == []
