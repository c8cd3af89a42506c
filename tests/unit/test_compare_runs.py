"""`sponge-bench compare` on written folders: what is paired, what is refused, and what the tables say."""

import copy
import shutil

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from harness.cli.compare import compare
from harness.compare import as_frame, as_markdown, compare_runs
from harness.compare.render import verdict_text
from harness.errors import RunInvalid, UsageError
from harness.record import write_manifest
from harness.tables import DECISIONS, REQUESTS, USAGE, table_of, write_parquet

DURATION_S = 300
MANIFEST = {
    "scenario": {
        "name": "made-up",
        "systems": ["static-max"],
        "plan": {"duration_s": DURATION_S, "slo_s": 1.0, "arrivals": {"start_s": 0.0}, "network": {"start_s": 0.0}},
    },
    "backend": {"backend": "simulated", "kernel": "python"},
    "host": {"cpu": "a processor", "cores": 2, "kernel": "6", "cgroup": "v2"},
    "latency": {"gamma_s": 0.1},
    "git_commit": "0123456789abcdef",
    "git_dirty": False,
    "state": "done",
    "send_lag": {},
    "valid": True,
    "invalid_reasons": [],
}


def write_run(run, system, seed, late_share=0.0, cores=2.0, **changes):
    """One folder of results: ten requests per second, of which a share is late in some seconds."""
    folder = run / system / f"seed-{seed}"
    folder.mkdir(parents=True)
    generator = np.random.default_rng([seed, len(system)])
    created_s = np.arange(DURATION_S * 10) / 10.0
    bad = np.repeat(generator.random(DURATION_S) < late_share, 10)
    latency_s = np.where(bad, 1.5, generator.uniform(0.1, 0.4, len(created_s)))
    rows = {
        "id": np.arange(len(created_s)),
        "client": np.arange(len(created_s)) % 3,
        "created_s": created_s,
        "due_s": created_s + np.random.default_rng(seed).uniform(0.0, 0.5, len(created_s)),
        "deadline_s": created_s + 1.0,
        "received_s": created_s + latency_s,
    }
    frame = [{**{k: v[i].item() for k, v in rows.items()}, "status": "served"} for i in range(len(created_s))]
    write_parquet(folder / "requests.parquet", table_of(frame, REQUESTS))
    write_parquet(folder / "decisions.parquet", DECISIONS.empty_table())
    write_parquet(folder / "usage.parquet", USAGE.empty_table())
    write_manifest(folder, manifest_of(system, seed, len(created_s), cores, changes))
    return folder


def manifest_of(system, seed, planned, cores, changes):
    facts = {
        "system": {"name": system, "settings": {}, "resolved_engine": {"order": "edf"}},
        "seed": seed,
        "plan_sha256": f"plan-{seed}",
        "start": {"cores": cores, "replicas": 1},
        "counts": {"planned": planned, "served": planned, "dropped": 0, "failed": 0},
    }
    manifest = copy.deepcopy(MANIFEST) | facts
    for key, value in changes.items():
        place = manifest
        *parents, last = key.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    return manifest


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Eight plans: `frugal` takes half the cores and is late in a fifth of all seconds."""
    run = tmp_path_factory.mktemp("results") / "made-up" / "run-a"
    for seed in range(1, 9):
        write_run(run, "static-max", seed)
        write_run(run, "frugal", seed, late_share=0.2, cores=1.0)
    return run


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One plan of the same two systems."""
    run = tmp_path_factory.mktemp("results") / "made-up" / "run-b"
    write_run(run, "static-max", 1, late_share=0.2)
    write_run(run, "frugal", 1, late_share=0.2, cores=1.0)
    return run


@pytest.fixture(scope="module")
def report(eight):
    """The comparison of the eight plans."""
    return compare_runs([eight])


def by_metric(report):
    return {c.metric.name: c for c in report.comparisons}


def run_compare(*arguments):
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(a) for a in arguments])


# what is found


def test_the_system_with_fewer_cores_is_better_in_cost_and_worse_in_violations(report):
    found = by_metric(report)
    assert (found["granted_core_s"].verdict, found["violation_rate"].verdict) == ("better", "worse")


def test_the_ratio_of_core_seconds_is_system_over_baseline(report):
    assert by_metric(report)["granted_core_s"].ratio.value == pytest.approx(0.5)


def test_runs_are_paired_by_plan(report):
    assert (report.plans, report.comparisons[0].runs) == (8, 8)


def test_the_baseline_can_be_chosen(eight):
    found = by_metric(compare_runs([eight], "frugal"))["granted_core_s"]
    assert (found.system, found.ratio.value) == ("static-max", pytest.approx(2.0))


def test_a_quantile_with_enough_beyond_it_is_compared(report):
    assert by_metric(report)["latency_p99_s"].runs == 8


def test_alike_runs_are_pooled(tmp_path):
    for seed, name in ((1, "run-a"), (2, "run-b")):
        write_run(tmp_path / name, "static-max", seed)
        write_run(tmp_path / name, "frugal", seed)
    assert compare_runs([tmp_path / "run-a", tmp_path / "run-b"]).plans == 2


def test_other_stretches_of_the_traces_are_other_plans(tmp_path):
    for start_s in (0.0, 60.0):
        changes = {"scenario__plan__network__start_s": start_s, "plan_sha256": f"plan-{start_s}"}
        for system in ("static-max", "frugal"):
            write_run(tmp_path / f"run-{start_s}", system, 1, **changes)
    assert compare_runs([tmp_path / "run-0.0", tmp_path / "run-60.0"]).plans == 2


def test_runs_of_one_system_on_one_plan_count_once(tmp_path):
    for name in ("run-a", "run-b"):
        for system in ("static-max", "frugal"):
            write_run(tmp_path / name, system, 1)
    report = compare_runs([tmp_path / "run-a", tmp_path / "run-b"])
    assert (report.plans, report.repeats, report.comparisons[0].runs) == (1, 2, 1)


def test_a_plan_that_only_one_system_replayed_is_left_out_and_said_so(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path, "static-max", seed)
    write_run(tmp_path, "frugal", 1)
    assert compare_runs([tmp_path]).left_out == ("frugal: 1 plan replayed by it or by static-max alone is left out",)


# one run


def test_one_plan_gives_intervals_within_this_run(single):
    found = by_metric(compare_runs([single]))["violation_rate"]
    assert found.within_run
    assert found.difference.low < found.difference.value < found.difference.high


def test_one_plan_gives_no_test(single):
    assert all(np.isnan(c.p_holm) for c in compare_runs([single]).comparisons)


def test_the_cost_within_one_run_has_the_value_of_the_whole_run(single):
    found = by_metric(compare_runs([single]))["granted_core_s"]
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx((-300, -300, -300))


def test_two_systems_that_did_the_same_are_identical_in_this_run(tmp_path):
    for system in ("static-max", "static-two"):
        write_run(tmp_path, system, 1)
    found = by_metric(compare_runs([tmp_path]))
    assert {verdict_text(found[name], 0.05) for name in ("violation_rate", "goodput_rps", "granted_core_s")} == {
        "identical in this run"
    }


def test_intervals_within_one_plan_are_of_the_plan_both_replayed(single, tmp_path):
    shutil.copytree(single, tmp_path, dirs_exist_ok=True)
    write_run(tmp_path, "static-max", 2, late_share=0.9)
    alone, beside = (by_metric(compare_runs([run]))["violation_rate"].difference for run in (single, tmp_path))
    assert (alone.value, alone.low, alone.high) == (beside.value, beside.low, beside.high)


def test_repeats_on_one_plan_are_averaged_second_by_second(single, tmp_path):
    for name in ("run-a", "run-b"):
        shutil.copytree(single, tmp_path / name)
    write_run(tmp_path / "run-c", "static-max", 1, late_share=0.9)
    once, more = (
        by_metric(compare_runs(runs))["violation_rate"].difference
        for runs in ([single], [tmp_path / "run-a", tmp_path / "run-b", tmp_path / "run-c"])
    )
    assert more.low < more.value < more.high < once.high


def test_one_plan_shows_every_run_by_itself(single):
    report = compare_runs([single])
    (frugal, _) = report.alone
    labels = [line.label for line in frugal.lines]
    assert labels[:7] == [
        "violation rate", "latency p50", "latency p95", "latency p99", "goodput", "granted cores, mean",
        "cost per 1,000 on time",
    ]  # fmt: skip
    assert [label.split(",")[0] for label in labels[7:]] == ["on time"] * 5


def test_the_numbers_of_a_run_by_itself_are_those_of_the_comparison(single):
    report = compare_runs([single])
    shown = {line.label: line.estimate.value for line in report.alone[0].lines}
    found = by_metric(report)
    for label, name in (
        ("violation rate", "violation_rate"),
        ("latency p99", "latency_p99_s"),
        ("goodput", "goodput_rps"),
        ("cost per 1,000 on time", "core_s_per_1000_on_time"),
    ):
        assert shown[label] == pytest.approx(found[name].value)


def test_rates_and_tails_of_a_run_by_itself_have_intervals(single):
    rate, *_, goodput, cores, cost = compare_runs([single]).alone[0].lines[:7]
    assert all(line.estimate.low < line.estimate.value < line.estimate.high for line in (rate, goodput, cost))
    assert cores.estimate.low == cores.estimate.high == 1.0


def test_several_plans_show_no_run_by_itself(report):
    assert report.alone == ()


# what is refused


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("scenario__plan__slo_s", 2.0, r"scenario\.plan\.slo_s = 1\.0 in .*, but 2\.0 in"),
        ("host__cpu", "another", r"host\.cpu = a processor in .*, but another in"),
        ("backend__backend", "docker", r"backend\.backend = simulated in .*, but docker in"),
        ("schema_version", 7, r"schema_version = 1 in .*, but 7 in"),
        ("plan_sha256", "plan-x", r"plan_sha256 = plan-1 in .*, but plan-x in"),
        ("latency", {"gamma_s": 0.2}, r"latency = sha256 \w+ in .*, but sha256 \w+ in"),
        ("git_commit", "fedcba9876543210", r"git_commit = 0123456789ab in .*, but fedcba987654 in"),
        ("git_dirty", True, r"git_commit = 0123456789ab in .*, but 0123456789ab with uncommitted changes in"),
        ("system__settings", {"headroom": 0.5}, r"system\.settings\.headroom = absent in .*, but 0\.5 in"),
    ],
)
def test_unlike_runs_are_refused_with_the_key_and_both_values(tmp_path, key, value, said):
    write_run(tmp_path / "a", "static-max", 1)
    write_run(tmp_path / "b", "static-max", 1, **{key: value})
    with pytest.raises(UsageError, match=said):
        compare_runs([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize("commit", [None, "unknown"])
def test_runs_of_which_nobody_knows_the_commit_are_refused(tmp_path, commit):
    for name, system in (("a", "static-max"), ("b", "frugal")):
        write_run(tmp_path / name, system, 1, git_commit=commit, git_dirty=None)
    with pytest.raises(UsageError, match=r"git_commit = unknown in .* nobody knows that the same code ran"):
        compare_runs([tmp_path / "a", tmp_path / "b"])


def test_systems_of_one_command_may_be_of_changed_code(tmp_path):
    for system in ("static-max", "frugal"):
        write_run(tmp_path, system, 1, git_dirty=True)
    assert compare_runs([tmp_path]).plans == 1


def test_an_invalid_run_is_refused_with_its_reason(tmp_path):
    write_run(tmp_path, "static-max", 1, valid=False, invalid_reasons=["send lag p99 0.1 s"])
    with pytest.raises(RunInvalid, match=r"static-max/seed-1: valid = False \(send lag p99 0\.1 s\)"):
        compare_runs([tmp_path])


def test_what_did_not_end_is_left_out_and_named(tmp_path):
    run, asked = tmp_path / "made-up" / "run-a", {"systems": ["static-max", "frugal"], "seeds": [1, 2, 3]}
    for seed in (1, 2):
        write_run(run, "static-max", seed, asked=asked)
        write_run(run, "frugal", seed, asked=asked, **({"state": "interrupted", "valid": False} if seed == 2 else {}))
    report = compare_runs([run])
    assert report.left_out == (
        "run-a: did not end and is left out: frugal/seed-2, frugal/seed-3, static-max/seed-3.",
        "frugal: 1 plan replayed by it or by static-max alone is left out",
    )
    assert report.left_out[0] in as_markdown(report)


def test_a_run_of_which_nothing_ended_cannot_be_compared(tmp_path):
    run = tmp_path / "made-up" / "run-a"
    write_run(run, "static-max", 1, state="running")
    with pytest.raises(UsageError, match=r"no session of it ended \(state running\); run it again"):
        compare_runs([run])


def test_a_run_given_twice_is_refused(eight):
    with pytest.raises(UsageError, match="is given twice"):
        compare_runs([eight, eight])


def test_a_copy_of_a_run_is_refused(tmp_path):
    times = {
        "owner": "h/7/1.00",
        "started_utc": "2026-01-01T00:00:00+00:00",
        "ended_utc": "2026-01-01T00:05:00+00:00",
    }
    for system in ("static-max", "frugal"):
        write_run(tmp_path / "made-up" / "run-a", system, 1, **times)
    shutil.copytree(tmp_path / "made-up" / "run-a", tmp_path / "made-up" / "run-b")
    with pytest.raises(UsageError, match=r"run-b.*: is .*run-a.*copied; give one of them"):
        compare_runs([tmp_path / "made-up" / "run-a", tmp_path / "made-up" / "run-b"])


def test_an_unknown_baseline_is_refused_with_the_nearest(eight):
    with pytest.raises(UsageError, match="did you mean 'frugal'"):
        compare_runs([eight], "frugl")


def test_one_system_alone_is_nothing_to_compare(tmp_path):
    write_run(tmp_path, "static-max", 1)
    with pytest.raises(UsageError, match="only static-max was run"):
        compare_runs([tmp_path])


def test_systems_without_a_plan_in_common_are_refused(tmp_path):
    write_run(tmp_path, "static-max", 1)
    write_run(tmp_path, "frugal", 2)
    with pytest.raises(UsageError, match="frugal: shares no plan_sha256 with the baseline static-max"):
        compare_runs([tmp_path])


# what is written


def test_the_table_names_units_runs_and_what_is_compared(eight):
    said = run_compare(eight).stdout
    for text in (
        "8 plans",
        "frugal compared with static-max (8 runs, paired by plan)",
        "core-s",
        "Holm-corrected over",
    ):
        assert text in said


def test_the_table_of_one_run_says_so(single):
    assert "1 run, intervals within this run" in run_compare(single).stdout


def test_the_table_of_one_run_shows_each_system_by_itself(single):
    said = run_compare(single).stdout
    for text in ("frugal within this run", "static-max within this run", "worst of 3 clients", "of 750 requests"):
        assert text in said


def test_markdown_of_one_run_shows_each_system_by_itself(single):
    assert "| metric | value | 95 % within this run |" in as_markdown(compare_runs([single]))


def test_every_row_of_markdown_has_as_many_cells(report):
    rows = [line for line in as_markdown(report).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {10}


def test_csv_has_a_row_per_system_and_metric(eight, tmp_path):
    run_compare(eight, "--format", "csv", "--out", tmp_path)
    assert len(pd.read_csv(tmp_path / "comparison.csv")) == 9


def test_parquet_gives_back_the_numbers(eight, report, tmp_path):
    run_compare(eight, "--format", "parquet", "--out", tmp_path)
    found = pd.read_parquet(tmp_path / "comparison.parquet")
    pd.testing.assert_frame_equal(found, as_frame(report), check_dtype=False)


def test_parquet_without_a_folder_is_refused(eight):
    assert isinstance(run_compare(eight, "--format", "parquet").exception, UsageError)
