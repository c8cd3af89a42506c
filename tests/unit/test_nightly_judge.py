"""When a change counts: exactness, margins, intervals, and what cannot be compared."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.nightly.judge import compare, compare_noisy, differences, paired_interval, seed_luck, welch_interval
from harness.nightly.matrix import Margin, load_matrix
from harness.nightly.numbers import Numbers
from harness.nightly.reference import Reference, read_reference, renewed, write_history, write_reference
from harness.nightly.summary import Night, as_json, lines, markdown
from harness.steps.pace import Pace, clock

MARGINS = (Margin("violation_rate", absolute=0.005), Margin("granted_core_s", relative=0.02))


def row(seed=1, system="sponge", scenario="s", violations=10, cores=100.0, plan="p"):
    """A thousand requests; 10 violations unless told otherwise."""
    return Numbers(
        scenario, system, seed, f"{plan}{seed}", 1000, 1000 - violations, violations, 0, violations,
        f"{violations:016x}", cores, 50.0, 4, 0.1, 0.2, 0.3,
    )  # fmt: skip


def rows(violations=(10, 12, 9), **rest):
    return [row(seed, violations=count, **rest) for seed, count in enumerate(violations, 1)]


def kinds(found):
    return {change.metric: change.kind for change in found.changes}


def test_the_same_numbers_are_the_same_and_nothing_else():
    found = compare(rows(), rows(), MARGINS)
    assert (found.same, found.changes, found.failed) == ((("s", "sponge"),), (), False)


def test_a_point_more_violations_is_a_regression_that_names_scenario_system_and_metric():
    found = compare(rows(), rows((20, 22, 19)), MARGINS)
    (change,) = found.of("regression")
    assert (change.scenario, change.system, change.metric) == ("s", "sponge", "violation_rate")
    assert change.effect == pytest.approx(0.01)
    assert found.failed


def test_a_change_within_the_margin_moved_and_does_not_fail():
    found = compare(rows(), rows((14, 16, 13)), MARGINS)
    assert kinds(found)["violation_rate"] == "moved"
    assert not found.failed


def with_p99(*values):
    return [replace(one, latency_p99_s=value) for one, value in zip(rows(), values, strict=True)]


P99 = (*MARGINS, Margin("latency_p99_s", relative=0.1))


def test_a_seed_without_a_value_on_both_sides_hides_no_regression_of_the_others():
    (change,) = compare(with_p99(0.3, 0.3, None), with_p99(0.9, 0.9, None), P99).of("regression")
    assert (change.metric, change.seeds, change.lost) == ("latency_p99_s", 2, 0)
    assert change.effect == pytest.approx(0.6)


def test_a_seed_without_a_value_hides_no_regression_of_a_real_run_either():
    after, again = with_p99(0.9, 0.91, None), with_p99(0.9, 0.9, None)
    (change,) = compare_noisy(with_p99(0.3, 0.3, None), after, again, P99).of("regression")
    assert (change.metric, change.noise) == ("latency_p99_s", pytest.approx(0.005))


def test_a_value_that_is_lost_is_a_regression_and_one_that_is_found_is_not():
    lost = compare(with_p99(0.3, 0.3, 0.3), with_p99(0.3, 0.3, None), P99)
    assert [(c.metric, c.lost) for c in lost.of("regression")] == [("latency_p99_s", 1)]
    assert not compare(with_p99(0.3, 0.3, None), with_p99(0.3, 0.3, 0.3), P99).failed


def test_fewer_violations_than_before_are_an_improvement_and_do_not_fail():
    found = compare(rows((30, 32, 29)), rows(), MARGINS)
    assert kinds(found)["violation_rate"] == "improved"
    assert not found.failed


def test_a_metric_without_a_margin_only_moves():
    found = compare(rows(), [replace(one, latency_p99_s=9.0) for one in rows()], MARGINS)
    assert kinds(found) == {"latency_p99_s": "moved"}


def test_as_many_but_other_violations_are_noticed():
    found = compare(rows(), [replace(one, violated_sha256="0" * 16) for one in rows()], MARGINS)
    assert kinds(found) == {"violated_sha256": "moved"}


def test_a_last_digit_is_rounding_and_no_more():
    found = compare(rows(), rows(cores=math.nextafter(100.0, 101.0)), MARGINS)
    assert kinds(found) == {"granted_core_s": "rounding"}


def test_a_relative_margin_is_a_share_of_before():
    assert not compare(rows(), rows(cores=101.9), MARGINS).failed
    assert compare(rows(), rows(cores=102.1), MARGINS).failed


def test_nothing_served_before_and_after_is_the_same():
    silent = [replace(one, latency_p50_s=None, latency_p95_s=None, latency_p99_s=None) for one in rows()]
    assert compare(silent, silent, MARGINS).same


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (rows(plan="q"), "inputs changed"),
        (rows((10, 12)), "has seeds"),
        (rows(system="vpa"), "was not run"),
    ],
)
def test_what_cannot_be_compared_fails_and_says_why(after, reason):
    found = compare(rows(), after, MARGINS)
    assert reason in found.unlike[0]
    assert found.failed


def test_a_scenario_that_was_skipped_tonight_is_no_failure():
    assert not compare([*rows(), *rows(scenario="t")], rows(), MARGINS, skipped=["t"]).failed


def test_a_scenario_of_the_reference_that_was_neither_run_nor_skipped_cannot_be_compared():
    found = compare([*rows(), *rows(scenario="t")], rows(), MARGINS)
    assert found.unlike == ("t sponge: is in the reference and was not run",)
    assert found.failed


def test_a_scenario_that_was_run_is_compared_though_a_part_of_it_was_skipped():
    assert compare(rows(), rows((10, 12)), MARGINS, skipped=["s"]).failed


def test_a_system_without_a_reference_is_new_and_no_failure():
    found = compare(rows(), [*rows(), *rows(system="vpa")], MARGINS)
    assert (found.fresh, found.failed) == ((("s", "vpa"),), False)


def test_with_noise_an_effect_whose_interval_holds_zero_is_no_regression():
    assert kinds(compare_noisy(rows((10, 10, 10)), rows((10, 60, 11)), rows((10, 60, 11)), MARGINS)) == {
        "violation_rate": "noise"
    }


def test_with_noise_an_effect_below_what_the_same_twice_shows_is_no_regression():
    assert kinds(compare_noisy(rows(), rows((40, 42, 39)), rows((90, 92, 89)), MARGINS))["violation_rate"] == "noise"


def test_with_noise_a_clear_effect_is_a_regression():
    found = compare_noisy(rows(), rows((40, 42, 39)), rows((41, 42, 39)), MARGINS)
    assert kinds(found)["violation_rate"] == "regression"


def test_the_same_twice_that_differs_is_named_with_both_values():
    (text,) = differences(rows((10,)), [replace(rows((10,))[0], resizes=5)])
    assert text == "s sponge seed 1: resizes = 4, again 5"


def test_other_seeds_give_a_difference_of_means():
    luck = {change.metric: change for change in seed_luck(rows((10, 12)), rows((20, 26)))}
    assert luck["violation_rate"].effect == pytest.approx(0.012)


def test_of_a_scenario_that_was_skipped_there_is_no_luck_with_seeds():
    assert seed_luck([], []) == []


def test_an_interval_needs_two_differences():
    assert all(map(math.isnan, paired_interval([1.0])))


def test_equal_differences_have_an_interval_of_no_width():
    assert paired_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert welch_interval([1.0, 1.0], [3.0, 3.0]) == (2.0, 2.0)


def test_the_paired_interval_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(2000):
        low, high = paired_interval(generator.normal(0.3, 1.0, 5).tolist())
        covered += low <= 0.3 <= high
    assert 0.935 <= covered / 2000 <= 0.965


@given(st.lists(st.integers(0, 900), min_size=2, max_size=6))
def test_numbers_compared_with_themselves_never_move(counts):
    assert not compare(rows(counts), rows(counts), MARGINS).changes


def test_a_reference_that_is_written_is_read_back_to_the_last_bit(tmp_path):
    path = tmp_path / "nightly.json"
    odd = replace(row(cores=0.1 + 0.2), latency_p99_s=None)
    write_reference(path, Reference((odd, row(2)), {"reason": "why", "numpy": "2.0"}))
    assert read_reference(path) == Reference((odd, row(2)), {"reason": "why", "numpy": "2.0"})


def test_a_reference_has_a_line_per_system_and_seed(tmp_path):
    path = tmp_path / "nightly.json"
    write_reference(path, Reference(tuple(rows()), {}))
    assert sum('"system"' in line for line in path.read_text().splitlines()) == 3


def test_no_file_is_an_empty_reference(tmp_path):
    assert read_reference(tmp_path / "none.json") == Reference()


@pytest.mark.parametrize("text", ["", "[]", '{"rows": []}', '{"schema_version": 9, "rows": [], "taken": {}}'])
def test_a_file_that_is_no_reference_is_refused(tmp_path, text):
    path = tmp_path / "nightly.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"not a reference|schema version 9"):
        read_reference(path)


def test_renewing_keeps_the_rows_of_scenarios_that_were_not_run():
    old = Reference((*rows(), *rows(scenario="t")), {})
    new = renewed(old, rows((1, 1, 1)), {}, skipped=["t"])
    assert {(one.scenario, one.violations) for one in new.rows} == {("s", 1), ("t", 10), ("t", 12), ("t", 9)}


def test_rows_that_were_kept_keep_when_they_were_taken(tmp_path):
    first = Reference((*rows(), *rows(scenario="t")), {"commit": "one", "numpy": "1.0"})
    second = renewed(first, rows((1, 1, 1)), {"commit": "two", "numpy": "2.0"}, skipped=["t"])
    third = renewed(second, rows((2, 2, 2)), {"commit": "three", "numpy": "2.0"}, skipped=["t"])
    write_reference(tmp_path / "n.json", third)
    kept = read_reference(tmp_path / "n.json")
    assert (kept.taken["commit"], kept.older["t"]["commit"]) == ("three", "one")
    assert kept.surroundings_changed({"numpy": "2.0"}) == ["t: numpy: 1.0 then, 2.0 now"]


def test_rows_of_a_scenario_that_left_the_matrix_go():
    new = renewed(Reference((*rows(), *rows(scenario="t")), {}), rows(), {})
    assert {one.scenario for one in new.rows} == {"s"}


def test_the_history_keeps_the_reason_and_what_moved(tmp_path):
    path = tmp_path / "history.jsonl"
    write_history(path, {"reason": "why"}, compare(rows(), rows((20, 22, 19)), MARGINS))
    write_history(path, {"reason": "again"}, compare(rows(), rows(), MARGINS))
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["reason"], first["moved"][0]["metric"]) == ("why", "violation_rate")
    assert (second["reason"], second["moved"]) == ("again", [])


def test_other_surroundings_are_named():
    assert Reference((), {"numpy": "2.0", "cpu": "a"}).surroundings_changed({"numpy": "3.0", "cpu": "a"}) == [
        "numpy: 2.0 then, 3.0 now"
    ]


def night(twin):
    return Night("n", {"commit": "c"}, MARGINS, twin)


def test_the_verdict_names_scenario_system_metric_before_and_after():
    verdict = night(compare(rows(), rows((20, 22, 19)), MARGINS)).verdict()
    assert verdict == "1 regression: s sponge violation_rate 1.03% -> 2.03%"


def test_a_line_says_by_how_much_against_which_margin_and_from_how_many_seeds():
    (text, *_) = lines(night(compare(rows(), rows((20, 22, 19)), MARGINS)))
    assert text == (
        "REGRESSION s sponge violation_rate 1.03% -> 2.03% (+1.00 points; margin +0.50 points; "
        "95 % over seeds +1.00 points to +1.00 points, n = 3 seeds)"
    )


def test_a_night_that_moved_asks_for_a_new_reference():
    moved = night(compare(rows(), rows((14, 16, 13)), MARGINS))
    assert "1 systems moved; if this is meant: make reference" in moved.verdict()
    assert not moved.failed


def test_the_verdict_names_how_many_scenarios_were_skipped():
    found = Night("n", {}, MARGINS, compare(rows(), rows(), MARGINS), skipped=("t: no network",))
    assert found.verdict() == "all 1 systems exactly as in the reference; 1 scenario skipped"


def test_the_summary_is_markdown_and_json_without_nan():
    found = night(compare(rows((10,)), rows((20,)), MARGINS))
    assert "| REGRESSION | s | sponge | violation_rate | 1.00% | 2.00% |" in markdown(found)
    assert json.loads(as_json(found))["failed"] is True


MATRIX = """
seeds = 2
again = {scenario = "a", system = "sponge"}
cells = [{scenario = "a"}]
margins = [{metric = "violation_rate", absolute = 0.1}]
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("seeds = 2", "seeds = 1", "seeds = 1; must be >= 2"),
        ("seeds = 2", "seeds = 200", "must be > seeds"),
        ('"violation_rate"', '"violation_rat"', "did you mean 'violation_rate'"),
        ("0.1", "0.0", "absolute or relative must be > 0"),
        ('[{scenario = "a"}]', '[{scenario = "a"}, {scenario = "a"}]', "a is there twice"),
        ('[{scenario = "a"}]', "[]", "cells is empty"),
        ('scenario = "a", system', 'scenario = "b", system', "must be the scenario of a cell"),
        ('[{scenario = "a"}]', '[{scenario = "a", systems = ["vpa"]}]', "must be among the systems of its cell"),
        ("seeds = 2", "seed = 2", "unknown key 'seed'; did you mean 'seeds'"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(tmp_path, old, new, reason):
    path = tmp_path / "m.toml"
    path.write_text(MATRIX.replace(old, new))
    with pytest.raises(UsageError) as refused:
        load_matrix(path)
    assert reason in str(refused.value)


def test_time_left_is_unknown_before_anything_was_done():
    assert Pace(10.0).text() == "time left unknown"


def test_time_left_follows_the_speed_so_far():
    pace = Pace(10.0)
    pace.add(2.0, 30.0)
    assert pace.left_s() == pytest.approx(120.0)
    assert pace.text() == "about 2:00 left"


def test_no_time_is_left_when_all_is_done():
    pace = Pace(2.0)
    pace.add(2.0, 1.0)
    assert pace.left_s() == 0.0


def test_long_times_have_hours():
    assert [clock(59.6), clock(3600.0), clock(3661.0)] == ["1:00", "1:00:00", "1:01:01"]
