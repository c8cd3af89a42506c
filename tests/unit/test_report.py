"""What the report says, and that it says it safely."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from harness.autopsy import Rescue
from harness.cli.report import report
from harness.errors import UsageError
from harness.report import gather, render
from harness.report.checks import checks
from harness.report.conclusion import _among, _largest_gap, conclusion
from harness.report.figures import draw_cost
from harness.report.gather import Replayed
from harness.report.numbers import interval, line_of, ms, percent
from harness.report.page import slowest
from harness.report.reproduce import caveats, commands, shared_and_own
from harness.report.svg import in_page_style, inline_svg
from harness.stats.interval import Estimate

HOSTILE = "<script>alert('x')</script> & \"quoted\""


@pytest.fixture(scope="module")
def run(simulated_run):
    return gather(simulated_run)


@pytest.fixture(scope="module")
def page(run):
    return render(run, "tested")


def changed(simulated_run, place, **differences):
    """A copy of the run whose first manifest differs."""
    copy = place / "run"
    shutil.copytree(simulated_run, copy)
    path = copy / "static-max" / "seed-1" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | differences), encoding="utf-8")
    return gather(copy)


def sentences(run):
    return conclusion(run, [line_of(run, system) for system in run.systems])


def test_the_conclusion_is_three_sentences(run):
    assert len(sentences(run)) == 3


def test_the_first_sentence_has_every_system_and_its_violations(run):
    first = sentences(run)[0]
    lines = [line_of(run, system) for system in run.systems]
    assert all(line.system in first for line in lines)
    assert all(f"{line.violations:,} ({percent(line.violations / line.planned)})" in first for line in lines
               if line.violations)  # fmt: skip


def test_the_second_sentence_has_both_numbers_beside_a_ratio(run):
    ours, theirs = (line_of(run, system).granted_core_s for system in run.systems)
    assert f"{ours / theirs:.2f} times the {theirs:,.1f} of {run.systems[1]}" in sentences(run)[1]


def test_two_runs_are_not_claimed_to_tell_systems_apart(run):
    assert "no test can tell systems apart" in sentences(run)[2]


def test_a_simulation_is_called_one(run):
    assert "simulations, not measurements" in sentences(run)[2]


def test_an_invalid_run_is_left_out_and_said_to_be(simulated_run, tmp_path):
    found = sentences(changed(simulated_run, tmp_path, valid=False, invalid_reasons=["send lag too high"]))
    assert "1 of 4 runs are invalid" in found[2]
    assert "static-max, seed 1: send lag too high" in found[2]


def test_a_line_counts_valid_runs_only(simulated_run, tmp_path):
    found = changed(simulated_run, tmp_path, valid=False, invalid_reasons=["lag"])
    assert (line_of(found, "static-max").runs, line_of(found, "static-half").runs) == (1, 2)


def test_systems_are_compared_on_the_seeds_valid_for_all(simulated_run, tmp_path):
    found = changed(simulated_run, tmp_path, valid=False, invalid_reasons=["send lag too high"])
    first, _, last = sentences(found)
    planned = {m.manifest["counts"]["planned"] for m in found.members if m.seed == 2}
    assert f"Over seed 2 of {found.scenario['name']}" in first
    assert f"of {planned.pop():,} requests per system" in first
    assert "these sentences are of the seed 2 valid for all systems" in last


def test_systems_without_a_valid_seed_in_common_are_not_compared(simulated_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(simulated_run, copy)
    for name in ("static-max/seed-1", "static-half/seed-2"):
        path = copy / name / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "valid": False, "invalid_reasons": ["lag"]}))
    first, second, third = sentences(gather(copy))
    assert "is valid for all systems, so they cannot be compared" in first
    assert "Each on seeds of its own: static-max violated" in second
    assert third.startswith("2 of 4 runs are invalid")


def test_a_trace_that_stands_in_for_a_measured_one_is_in_the_conclusion(simulated_run, tmp_path):
    traces = [{"name": "synthetic-ghent-4g/bus_0001", "synthetic_because": "no network"}]
    found = changed(simulated_run, tmp_path, traces=traces)
    assert "SYNTHETIC, in place of measured traces: synthetic-ghent-4g/bus_0001 (no network)" in sentences(found)[2]
    assert next(check for check in checks(found) if check.what == "traces are measured data").ok is False


def test_what_was_asked_for_and_did_not_end_is_said(simulated_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(simulated_run, copy)
    path = copy / "static-max" / "seed-2" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "interrupted", "valid": False}))
    shutil.rmtree(copy / "static-half" / "seed-2")
    found = gather(copy)
    assert "2 that were asked for did not end (static-half/seed-2, static-max/seed-2)" in sentences(found)[2]
    assert next(check for check in checks(found) if check.what == "every run that was asked for ended").ok is False


def test_a_run_without_results_yet_has_no_page(simulated_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(simulated_run, copy)
    for path in copy.glob("*/seed-*/manifest.json"):
        path.write_text(json.dumps({"state": "running"}))
    with pytest.raises(UsageError, match="no session of it has results yet"):
        gather(copy)


def test_nothing_is_concluded_from_invalid_runs_alone(run):
    bad = replace(run, members=tuple(replace(m, summary=replace(m.summary, valid=False)) for m in run.members))
    assert "nothing to conclude" in sentences(bad)[0]


def test_a_check_names_the_run_that_fails_it(simulated_run, tmp_path):
    counts = {"planned": 999, "sent": 1, "served": 1, "dropped": 0, "failed": 0}
    failed = [check for check in checks(changed(simulated_run, tmp_path, counts=counts)) if check.ok is False]
    assert "static-max, seed 1: 1 of 999" in failed[0].found


def test_systems_on_different_plans_are_found_out(simulated_run, tmp_path):
    found = checks(changed(simulated_run, tmp_path, plan_sha256="f" * 64))
    assert next(check for check in found if "same plan" in check.what).ok is False


def test_the_command_names_scenario_backend_systems_and_seeds(run):
    assert commands(run)[-1] == (
        "sponge-bench run bursts --backend simulated --systems static-max,static-half --seeds 2"
    )


def test_the_command_of_a_scenario_given_by_path_names_the_path(simulated_run, tmp_path):
    manifests = simulated_run.glob("*/seed-*/manifest.json")
    asked = json.loads(next(manifests).read_text(encoding="utf-8"))["asked"] | {"scenario": "/somewhere/bursts.toml"}
    found = changed(simulated_run, tmp_path, asked=asked)
    assert commands(found)[-1].startswith("sponge-bench run /somewhere/bursts.toml --backend simulated")
    assert any("outside the shipped ones" in text for text in caveats(found))


def test_a_scenario_nobody_knows_the_file_of_is_said_to_be_one(run):
    assert any("does not say which file the scenario came from" in text for text in caveats(run))


def test_seeds_that_do_not_begin_at_1_are_asked_for_by_the_first(run):
    members = tuple(replace(m, summary=replace(m.summary, seed=m.seed + 1000)) for m in run.members)
    assert commands(replace(run, members=members))[-1].endswith(" --seeds 2 --first-seed 1001")


def test_seeds_with_a_gap_take_a_command_for_each_stretch(run):
    members = tuple(replace(m, summary=replace(m.summary, seed=m.seed**3)) for m in run.members)
    found = replace(run, members=members)
    assert [c.partition(" --seeds ")[2] for c in commands(found)[-2:]] == ["1", "1 --first-seed 8"]
    assert any("a command for each stretch" in text for text in caveats(found))


def test_one_point_of_a_sweep_has_no_command_and_says_why(run):
    point = replace(run, folder=run.folder.with_name("sweep-0123456789ab-01234567"))
    assert (commands(point), "one point of a sweep" in caveats(point)[0]) == ([], True)


def pairs(*gaps, runs=8):
    """Rates of paired runs, one system after the other, that differ from ours by about these gaps."""
    ours = [0.1 + 0.001 * k for k in range(runs)]
    return {f"other-{gap}": (ours, [rate + gap * (1 + 0.01 * k) for k, rate in enumerate(ours)]) for gap in gaps}


def test_the_p_of_the_largest_gap_is_corrected_for_all_systems_it_was_chosen_from():
    alone, among = _largest_gap("ours", pairs(0.3)), _largest_gap("ours", pairs(0.1, 0.2, 0.3))
    assert "p = 0.00781)" in alone
    assert "other-0.3" in among
    assert "p = 0.0234, corrected for 3 comparisons (Holm)" in among


def test_a_range_goes_from_least_to_most():
    assert (_among([2000, 3000, 1000]), _among([7, 7])) == ("1,000 to 3,000", "7")


def test_what_saves_a_slow_request_is_looked_up_by_its_id(run):
    member = run.of("static-half")[0]
    ids = [-1, *member.examined.requests["id"]]  # one that was planned and has no row
    violated = np.array([True, *member.examined.requests["violated"]])
    slow = int(member.examined.requests.nlargest(1, "whole_s")["id"].iloc[0])
    left = violated & (np.array(ids) != slow)
    found = slowest(member, Replayed(violated, (Rescue("saviour", "", left),), ids=ids))
    assert [one.saved_by for one in found] == ["saviour", *[""] * (len(found) - 1)]


def test_latency_quantiles_are_said_to_be_of_served_requests(page):
    assert re.findall(r"p(\d\d) of<br>served,<br>ms", page) == ["50", "95", "99"]


def test_uncommitted_changes_are_a_caveat(simulated_run, tmp_path):
    assert any("uncommitted" in text for text in caveats(changed(simulated_run, tmp_path, git_dirty=True)))


def test_shared_and_own_parts_of_the_manifests_are_all_of_them(run):
    shared, own = shared_and_own(run)
    rebuilt = {name: json.loads(shared) | json.loads(text) for name, text in own}
    assert rebuilt == {member.name: dict(member.manifest) for member in run.members}


def test_every_string_of_a_run_is_escaped(simulated_run, tmp_path):
    hostile = changed(simulated_run, tmp_path, invalid_reasons=[HOSTILE], valid=False, plan_sha256=HOSTILE)
    members = (replace(hostile.members[0], folder=hostile.folder), *hostile.members[1:])
    page = render(replace(hostile, members=members, notes=(HOSTILE,)), HOSTILE)
    assert "<script>alert" not in page


def test_the_page_refers_to_nothing_outside_itself(page):
    outside = re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']*|url\((?!#|"#|'#)[^)]*\)|@import""", page)
    assert outside == []


def test_every_table_has_heads_with_a_scope(page):
    heads = re.findall(r"<th\b[^>]*>", page)
    assert heads
    assert all("scope=" in head for head in heads)


def test_every_figure_is_described(page):
    assert page.count("<svg ") == len(re.findall(r'<svg role="img" aria-label="[^"]{20,}"', page))


def test_ids_are_used_once(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_figure_takes_ink_from_the_page(run):
    with in_page_style():
        svg = inline_svg(draw_cost(run), "cost", "a <figure>")
    assert "#1b1c20" not in svg
    assert 'aria-label="a &lt;figure&gt;"' in svg


def test_the_queue_peak_of_a_bin_is_the_longest_queue_in_it(run):
    member = next(m for m in run.members if m.system == "static-half")
    requests = member.examined.requests
    left_s = requests["started_s"].fillna(requests["received_s"])
    edges_s = np.linspace(0.0, run.duration_s, 13)
    times_s = np.concatenate((requests["queued_s"], left_s))
    waiting = [((requests["queued_s"] <= t) & (left_s > t)).sum() for t in times_s]
    place = np.digitize(times_s, edges_s) - 1
    longest = [max((w for w, p in zip(waiting, place, strict=True) if p == k), default=0) for k in range(12)]
    peaks = member.queue_peaks(edges_s)
    assert (peaks >= longest).all()
    assert peaks.max() == max(waiting)


def test_replays_that_were_not_made_are_explained(run):
    member = run.of("static-half")[0]
    why = {(m.system, m.seed): Replayed(why_not="because of this") for m in run.of("static-half")}
    assert member.summary.violations
    assert "because of this" in render(replace(run, replayed=why), "tested")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        gather(tmp_path)


def test_the_command_writes_the_page_with_replays(simulated_run, tmp_path):
    path = tmp_path / "deep" / "page.html"
    report(str(simulated_run), path, whatif=True, results=tmp_path)
    assert "What alone would have saved them" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("share", "text"), [(0.0, "0 %"), (0.0453, "4.53 %"), (0.5417, "54.2 %")])
def test_shares_are_told_with_the_digits_they_need(share, text):
    assert percent(share) == text


def test_a_missing_number_is_a_dash():
    assert ms(float("nan")) == "–"


def test_an_interval_that_is_refused_says_why():
    assert interval(Estimate(0.1, refused="one run")) == "no interval: one run"
