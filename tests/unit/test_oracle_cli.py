"""`sponge-bench oracle`: from a scenario to oracle.json, and from a finished run."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.results import summaries
from harness.tables import REQUESTS, read_parquet

SCENARIO = """
title = "small"
systems = ["sponge", "static-max", "fa2"]
[plan]
duration_s = 12.0
[plan.arrivals]
kind = "poisson"
rate_rps = 10.0
[plan.network]
rtt_s = 0.1
[service]
model = "tinycnn"
image_shape = [32, 32, 3]
[cores]
min_cores = 1.0
max_cores = 8.0
step_cores = 1.0
[profile]
published = "yolov5s"
"""


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output, result.exception


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of three systems, and what `oracle --run` printed about it."""
    folder = tmp_path_factory.mktemp("oracle")
    scenario = folder / "small.toml"
    scenario.write_text(SCENARIO)
    code, output, _ = invoke("run", scenario, "--backend", "simulated", "--seeds", "2", "--out", folder / "results")
    assert code == 0, output
    (run,) = (folder / "results" / "small").iterdir()
    code, output, error = invoke("oracle", "--run", run)
    assert code == 0, (output, error)
    return run, output


def entries(run):
    return json.loads((run / "oracle.json").read_text())["seeds"]


def test_every_seed_of_the_run_has_its_entry(finished):
    assert [entry["seed"] for entry in entries(finished[0])] == [1, 2]


def test_every_system_lies_above_its_floor(finished):
    rows = [row for entry in entries(finished[0]) for row in entry["systems"]]
    assert {row["system"] for row in rows} == {"sponge", "static-max", "fa2", "oracle"}
    assert all(row["granted_core_s"] >= row["floor_core_s"] > 0 for row in rows)


def test_a_system_with_several_replicas_is_held_against_the_weaker_floor(finished):
    rows = [row for entry in entries(finished[0]) for row in entry["systems"]]
    assert {row["floor"] for row in rows if row["replicas"] > 1} == {"any scaling"}
    assert {row["floor"] for row in rows if row["replicas"] == 1} == {"one replica"}


def test_the_schedule_misses_no_more_than_all_cores_and_costs_less_than_any_other_that_misses_as_few(finished):
    found = {(s.system, s.seed): s for s in summaries(finished[0])}
    for seed in (1, 2):
        own, most = found[("oracle", seed)], found[("static-max", seed)]
        assert own.violations <= most.violations
        assert own.granted_core_s < min(most.granted_core_s, found[("sponge", seed)].granted_core_s)


def test_the_oracle_leaves_rows_like_any_system(finished):
    rows = read_parquet(finished[0] / "oracle" / "seed-1" / "requests.parquet", REQUESTS)
    assert len(rows) == entries(finished[0])[0]["planned"]


def test_the_gap_is_the_schedule_over_the_floor(finished):
    for entry in entries(finished[0]):
        assert entry["gap"] == pytest.approx(entry["schedule"]["granted_core_s"] / entry["bound_core_s"] - 1)
        assert 0 <= entry["gap"] < 0.5


def test_the_curve_of_the_floor_falls_with_violations(finished):
    for entry in entries(finished[0]):
        levels = [point["core_s"] for point in entry["floor"]]
        assert levels == sorted(levels, reverse=True)


def test_the_table_names_floor_ratio_and_the_number_of_requests(finished):
    _, output = finished
    assert "certified floor" in output
    assert "clairvoyant run" in output
    assert f"/{entries(finished[0])[0]['planned']}" in output


def test_without_scenario_and_run_it_says_what_it_needs():
    _, _, error = invoke("oracle")
    assert str(error) == "oracle: give either a scenario or --run FOLDER"


def test_a_seed_the_run_does_not_have_is_refused(finished):
    _, _, error = invoke("oracle", "--run", finished[0], "--seed", "7")
    assert str(error).startswith("--seed = 7; ")


def copy_of(run, place, where, **differences):
    """A copy of the run with the manifests that match `where` changed."""
    copy = place / run.parent.name / run.name
    shutil.copytree(run, copy)
    for path in copy.glob(where):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | differences))
    return copy


def test_an_oracle_of_another_commit_than_its_run_is_refused(finished, tmp_path):
    run = copy_of(finished[0], tmp_path, "oracle/*/manifest.json", git_commit="f" * 40)
    _, _, error = invoke("oracle", "--run", run)
    commit = json.loads((run / "sponge" / "seed-1" / "manifest.json").read_text())["git_commit"]
    assert f"the run is of commit {commit}, its oracle of commit {'f' * 40}" in str(error)


def test_an_oracle_is_not_added_to_a_run_of_another_commit(finished, tmp_path):
    run = copy_of(finished[0], tmp_path, "*/*/manifest.json", git_commit="f" * 40)
    shutil.rmtree(run / "oracle")
    _, _, error = invoke("oracle", "--run", run)
    assert f"the run is of commit {'f' * 40}, its oracle of commit " in str(error)


def test_a_run_whose_profile_is_gone_is_refused_with_both_named(finished, tmp_path):
    model = {"kind": "published", "name": "yolov5s", "service_ratios": [0.5]}
    backend = json.loads((finished[0] / "sponge" / "seed-1" / "manifest.json").read_text())["backend"]
    run = copy_of(finished[0], tmp_path, "*/*/manifest.json", backend=backend | {"model": model})
    _, _, error = invoke("oracle", "--run", run)
    assert "published yolov5s [0.5]; at hand: the latency profile published yolov5s." in str(error)


def without_oracle(finished, place):
    """A copy of the run as it was before the oracle was added."""
    run = place / "small" / finished[0].name
    shutil.copytree(finished[0], run)
    shutil.rmtree(run / "oracle")
    return run


def test_an_interrupted_oracle_leaves_the_run_as_it_was(finished, tmp_path, monkeypatch):
    run = without_oracle(finished, tmp_path)
    before = sorted(run.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("harness.run.simulated.write_rows", interrupted)
        assert invoke("oracle", "--run", run, "--seed", "1")[0] != 0
    assert sorted(run.rglob("*")) == before
    assert invoke("oracle", "--run", run, "--seed", "1")[0] == 0


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_session_that_did_not_end_is_left_out_and_said(finished, tmp_path):
    run = without_oracle(finished, tmp_path)
    (run / "fa2" / "seed-1" / "manifest.json").write_text('{"state": "running"}')
    code, output, error = invoke("oracle", "--run", run, "--seed", "1")
    assert code == 0, (output, error)
    assert "note: did not end, and is left out: fa2/seed-1" in output
    assert {row["system"] for row in entries(run)[0]["systems"]} == {"sponge", "static-max", "oracle"}
