"""Misuse of `sponge-bench fidelity` ends in one line that says what to do."""

import json

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.fidelity import folders_in
from harness.errors import UsageError

RUNNER = CliRunner()


def refused(*arguments):
    """The error of a call that must fail."""
    result = RUNNER.invoke(app, ["fidelity", *map(str, arguments)])
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def test_neither_a_scenario_nor_a_run_is_refused():
    assert "name a scenario to run, or --run FOLDER" in refused()


def test_a_scenario_and_a_run_together_are_refused(tmp_path):
    assert "one of the two" in refused("quickstart", "--run", tmp_path)


def test_an_unknown_scenario_is_named_with_the_nearest():
    assert "did you mean 'quickstart'" in refused("quickstrat")


def test_an_unknown_backend_is_named():
    assert "unknown backend 'dokcer'; did you mean 'docker'" in refused("quickstart", "--backend", "dokcer")


def test_the_twin_is_no_real_backend():
    assert "unknown backend 'simulated'" in refused("quickstart", "--backend", "simulated")


def test_calibrating_needs_a_new_run(tmp_path):
    assert "--calibrate: measures before a new run" in refused("--run", tmp_path, "--calibrate")


def test_plain_means_no_calibration(tmp_path):
    assert "--plain: means no calibration" in refused("--run", tmp_path, "--plain", "--calibration", tmp_path)


def test_a_new_and_a_given_calibration_contradict_each_other(tmp_path):
    assert "one of the two" in refused("quickstart", "--calibrate", "--calibration", tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert "holds no run" in refused("--run", tmp_path)


def test_a_system_the_run_has_not_is_refused(tmp_path):
    for system in ("sponge", "fa2"):
        (tmp_path / system / "seed-1").mkdir(parents=True)
        (tmp_path / system / "seed-1" / "manifest.json").write_text("{}", encoding="utf-8")
    assert "unknown system 'spong'; did you mean 'sponge'" in refused(
        "--run", tmp_path, "--plain", "--systems", "spong"
    )
    assert folders_in(tmp_path, "sponge") == [tmp_path / "sponge" / "seed-1"]


def test_a_run_of_the_twin_is_refused(tmp_path):
    folder = tmp_path / "sponge" / "seed-1"
    folder.mkdir(parents=True)
    manifest = {"state": "done", "backend": {"backend": "simulated"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "must be a run on a real backend" in refused("--run", tmp_path, "--plain")


@pytest.mark.parametrize("option", ["--draws", "--seeds"])
def test_counts_begin_at_one(option):
    assert RUNNER.invoke(app, ["fidelity", "quickstart", option, "0"]).exit_code == 2


@pytest.mark.parametrize(
    "option", ["--seeds", "--backend", "--out", "--mirror", "--model", "--base-image"]
)  # fmt: skip
def test_options_of_a_new_run_are_refused_beside_a_run_that_was_made(option, tmp_path):
    assert f"{option}: of a new run" in refused("--run", tmp_path, option, "1")
