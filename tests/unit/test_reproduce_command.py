"""`reproduce`: its steps, and that a simulation interrupted in the middle goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness.cli.reproduce as reproduce
import harness.run.code as code
from harness.cli import app
from harness.errors import BenchError
from harness.scenario import load_scenario
from harness.stored.runs import newest_finished, read_run
from harness.traces.synthetic import stand_in
from systems import SYSTEMS

CORE = Path(reproduce.ROOT) / "scenarios" / "matrix" / "core-4g.toml"


def jobs_of(seeds):
    return [(job.seed, job.systems) for job in seeds]


def test_points_of_a_sweep_count_only_under_their_own_key(tmp_path):
    (tmp_path / "points" / "a").mkdir(parents=True)
    for name in ("sponge.seed-1.json", "sponge.seed-2.json"):
        (tmp_path / "points" / "a" / name).write_text("{}")
    found = [reproduce.points_done(tmp_path, "k")]
    reproduce.mark_of(tmp_path).write_text("k")
    found += [reproduce.points_done(tmp_path, key) for key in ("k", "other")]
    assert found == [0, 2, 0]


@pytest.fixture
def small(tmp_path):
    """A scenario of six seconds, two systems."""
    path = tmp_path / "small.toml"
    path.write_text(CORE.read_text().replace("duration_s = 60.0", "duration_s = 6.0"))
    return load_scenario(str(path), SYSTEMS), path


def test_a_dry_run_lists_every_step_and_does_nothing(tmp_path):
    done = CliRunner().invoke(app, ["reproduce", "--out", str(tmp_path / "out"), "--dry-run"])
    assert done.exit_code == 0, done.output
    for part in ("traces", "run paper-eval", "sweep honest-eval", "the floor", "figures", "claims", "report"):
        assert f"to do  {part}" in done.output
    assert not (tmp_path / "out").exists()


def test_the_run_of_a_scenario_goes_on_with_what_an_interruption_left(small, tmp_path, monkeypatch):
    scenario, path = small
    names = ("static-max", "static-half")
    calls = []

    def one_after_the_other(work, jobs, _processes):
        for job in jobs:
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append((job.seed, job.systems))
            yield job, work(replace(job, scenario=str(path)))

    monkeypatch.setattr(reproduce, "side_by_side", one_after_the_other)
    do = reproduce.simulating(scenario, names, tmp_path, None)
    with pytest.raises(KeyboardInterrupt):
        do("0123456789", lambda _work: None)
    (tmp_path / "small/reproduce-01234567/static-half/seed-2/manifest.json").unlink()
    assert jobs_of(reproduce.jobs_left(scenario, names, tmp_path, None, "0123456789")) == [
        (2, ("static-half",)),
        *((seed, names) for seed in (3, 4, 5)),
    ]
    noted = lambda _work, jobs, _processes: calls.extend((job.seed, job.systems) for job in jobs) or []  # noqa: E731
    monkeypatch.setattr(reproduce, "side_by_side", noted)
    do("0123456789", lambda _work: None)
    assert calls == [(1, names), (2, names), (2, ("static-half",)), *((seed, names) for seed in (3, 4, 5))]


def test_a_run_of_another_key_is_thrown_away_before_a_scenario_is_simulated(small, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "side_by_side", lambda _work, _jobs, _processes: [])
    for name in ("reproduce-other", "reproduce-01234567", "20260101T000000Z-by-hand"):
        (tmp_path / "small" / name).mkdir(parents=True)
    reproduce.simulating(small[0], ("static-max",), tmp_path, None)("0123456789", lambda _work: None)
    left = {path.name for path in (tmp_path / "small").iterdir()}
    assert left == {"reproduce-01234567", "20260101T000000Z-by-hand"}


def test_a_seed_says_that_all_seeds_were_asked_for(small, tmp_path):
    scenario, path = small
    job = reproduce.Seed(str(path), ("static-max",), 1, tmp_path, "reproduce-01234567", None)
    reproduce.simulate_seed(job)
    assert newest_finished(tmp_path, scenario.name) is None
    run = read_run(tmp_path / scenario.name / "reproduce-01234567")
    assert run.unfinished == tuple(f"static-max/seed-{k}" for k in (2, 3, 4, 5))


def test_a_run_and_a_sweep_of_one_scenario_are_done_while_their_own_outputs_are_there(tmp_path):
    outputs = {step.name: step.outputs for step in reproduce.all_steps(tmp_path, None)}
    (run,), (table,) = outputs["run-paper-eval"], outputs["sweep-paper-eval"]
    assert (run.parent, run.name[:10]) == (tmp_path / "paper-eval", "reproduce-")
    assert (table.parent.parent, table.name) == (tmp_path / "paper-eval", "sweep.parquet")


def test_points_of_another_key_are_thrown_away_before_a_sweep_and_those_of_its_own_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "must", lambda _arguments: None)
    do = reproduce.sweeping("load", tmp_path, None)
    point = tmp_path / "load" / "points" / "p" / "sponge.seed-1.json"
    for key, stays in (("one", True), ("one", True), ("two", False)):
        point.parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / "load" / "points.key").exists():
            do(key, lambda _work: None)
            point.parent.mkdir(parents=True)
        point.write_text("")
        do(key, lambda _work: None)
        assert point.exists() is stays


def test_traces_that_cannot_be_had_are_all_named(monkeypatch):
    monkeypatch.setattr(reproduce, "load_trace", lambda name, _mirror: stand_in(name, "no network"))
    with pytest.raises(BenchError, match="2 of 2 traces cannot be had") as lost:
        reproduce.get_traces(("ghent-4g/bus_0001", "ghent-4g/bus_0002"), None)
    assert "ghent-4g/bus_0002: no network" in str(lost.value)


def test_the_digest_of_the_simulating_code_leaves_out_what_only_presents(tmp_path, monkeypatch):
    for name in ("engine", "figures"):
        (tmp_path / "harness" / name).mkdir(parents=True)
        (tmp_path / "harness" / name / "one.py").write_text("1")
    monkeypatch.setattr(code, "ROOT", tmp_path)

    def digests():
        code.code_digest.cache_clear()
        return code.code_digest(code.PRESENTING), code.code_digest()

    before = digests()
    (tmp_path / "harness" / "figures" / "one.py").write_text("2")
    drawn = digests()
    (tmp_path / "harness" / "engine" / "one.py").write_text("2")
    served = digests()
    code.code_digest.cache_clear()
    assert (before[0] == drawn[0], before[1] == drawn[1], drawn[0] == served[0]) == (True, False, False)
