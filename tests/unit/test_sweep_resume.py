"""A sweep leaves what is finished, does only what is missing, and never leaves half a file."""

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import Interrupted, UsageError
from harness.index import index
from harness.run import sweep
from harness.stored.runs import newest_finished

SCENARIO = """
title = "a test"
systems = ["static-8-batching", "static-16-batching"]
[plan]
duration_s = 5.0
[service]
model = "tinycnn"
image_shape = [253, 400, 3]
[cores]
min_cores = 1.0
max_cores = 16.0
step_cores = 1.0
[profile]
published = "yolov5s"
[sweep.axes]
"plan.arrivals.rate_rps" = [5.0, 20.0]
"""
SYSTEMS = ("static-8-batching", "static-16-batching")


@pytest.fixture
def out(tmp_path):
    """Where the sweep writes."""
    return tmp_path / "out"


@pytest.fixture
def swept(tmp_path, out):
    """Runs `sponge-bench sweep` on a small scenario, in this process; what it printed."""
    path = tmp_path / "small.toml"
    path.write_text(SCENARIO, encoding="utf-8")

    def run(*flags):
        words = ["sweep", str(path), "--out", str(out), "--jobs", "1", *flags]
        return CliRunner().invoke(app, words, catch_exceptions=False).output

    return run


@pytest.fixture
def done(monkeypatch):
    """The jobs that are simulated, in order; `interrupt_after` stops the sweep after so many."""
    real = sweep.run_job

    class Done(list):
        interrupt_after = None

    simulated = Done()

    def run_job(job):
        if len(simulated) == simulated.interrupt_after:
            raise KeyboardInterrupt
        simulated.append((job.point.spec.values["plan.arrivals.rate_rps"], job.system, job.seed))
        real(job)

    monkeypatch.setattr(sweep, "run_job", run_job)
    return simulated


def rows(out):
    (path,) = out.glob("small/sweep-*/sweep.parquet")
    return pq.read_table(path).to_pylist()


def test_there_is_a_row_per_point_system_and_seed_with_the_axes_as_columns(swept, out):
    swept("--seeds", "2")
    found = [(row["plan.arrivals.rate_rps"], row["seed"], row["system"]) for row in rows(out)]
    assert found == [(rate, seed, system) for rate in (5.0, 20.0) for seed in (1, 2) for system in SYSTEMS]


def test_a_row_splits_violations_into_late_dropped_and_failed(swept, out):
    swept("--set", "plan.slo_s=0.05")
    assert all(r["violations"] == r["late"] + r["dropped"] + r["failed"] > 0 for r in rows(out))


def test_every_system_of_a_point_had_the_same_plan(swept, out):
    swept()
    plans = {(row["plan.arrivals.rate_rps"], row["plan_sha256"]) for row in rows(out)}
    assert len(plans) == 2


def test_a_second_time_nothing_is_simulated_and_the_rows_are_the_same(swept, out, done):
    swept()
    before = rows(out)
    done.clear()
    swept()
    assert (list(done), rows(out)) == ([], before)


def test_more_seeds_add_only_what_is_missing(swept, done):
    swept()
    done.clear()
    swept("--seeds", "2")
    assert [seed for _, _, seed in done] == [2, 2, 2, 2]


def test_another_value_on_an_axis_adds_only_its_own_runs(swept, done):
    swept()
    done.clear()
    swept("--set", "plan.arrivals.rate_rps=5.0,20.0,30.0")
    assert {rate for rate, _, _ in done} == {30.0}


def test_a_change_of_the_code_does_everything_anew(swept, done, monkeypatch):
    swept()
    done.clear()
    monkeypatch.setattr(sweep, "code_digest", lambda *_: "other code")
    swept()
    assert len(done) == 4


def test_fresh_does_everything_anew(swept, done):
    swept()
    done.clear()
    swept("--fresh")
    assert len(done) == 4


def test_interrupted_it_says_how_much_is_left_and_goes_on_there(swept, out, done):
    done.interrupt_after = 3
    with pytest.raises(Interrupted, match="interrupted with 1 of 4 runs to do"):
        swept()
    done.interrupt_after = None
    done.clear()
    swept()
    assert (len(done), len(rows(out))) == (1, 4)


def test_interrupted_it_leaves_no_half_file_and_no_table(swept, out, done):
    done.interrupt_after = 3
    with pytest.raises(Interrupted):
        swept()
    left = {path.name for path in out.rglob("*") if path.is_file()}
    assert left == {"sweep.json", *(f"{system}.seed-1.json" for system in SYSTEMS)}


def test_rows_are_kept_below_the_sweep_when_asked_for(swept, out):
    swept("--keep-rows")
    kept = sorted(path.parts[-3] for path in out.glob("small/sweep-*/rows/*/*/seed-1/requests.parquet"))
    assert kept == sorted(SYSTEMS * 2)


def test_kept_rows_do_not_pass_as_a_run_of_the_scenario(swept, out):
    swept("--keep-rows")
    assert newest_finished(out, "small") is None
    assert {entry.kind for entry in index(out)} == {"sweep"}


def test_kept_rows_come_with_their_plan(swept, out):
    swept("--keep-rows")
    assert len(list(out.glob("small/sweep-*/rows/*/plans/seed-1/plan.parquet"))) == 2


def test_finished_points_without_rows_are_done_again_when_rows_are_asked_for(swept, done):
    swept()
    done.clear()
    swept("--keep-rows")
    assert len(done) == 4


def test_a_bad_axis_fails_before_anything_is_written(swept, out):
    with pytest.raises(UsageError, match="did you mean 'slo_s'"):
        swept("--set", "plan.slo=1")
    assert not out.exists()


def test_a_system_that_does_not_fit_a_point_fails_before_anything_runs(swept, out, done):
    with pytest.raises(UsageError, match="static-16-batching"):
        swept("--set", "cores.max_cores=16.0,8.0")
    assert (list(done), list(out.rglob("*.parquet"))) == ([], [])


def test_the_table_names_points_by_what_varies(swept):
    heads = [line.split() for line in swept("--set", "plan.slo_s=1.0").splitlines() if "violations %" in line]
    assert heads[0][:2] == ["rate_rps", "system"]


def test_without_a_grid_the_sweep_is_the_scenario_itself(tmp_path, out):
    path = tmp_path / "plain.toml"
    path.write_text(SCENARIO.partition("[sweep.axes]")[0], encoding="utf-8")
    words = ["sweep", str(path), "--out", str(out), "--jobs", "1"]
    CliRunner().invoke(app, words, catch_exceptions=False)
    assert len(list(out.glob("plain/points/*/*.json"))) == 2
