"""Which seeds and which scenario a run records as asked for."""

import json

from typer.testing import CliRunner

from harness.cli import app
from harness.run.bench import seeds_of


def test_seeds_follow_the_first():
    assert (seeds_of(2), seeds_of(3, 1001)) == ((1, 2), (1001, 1002, 1003))


def test_a_run_starts_at_the_first_seed_and_records_where_its_scenario_lies(simulated_run, tmp_path):
    scenario = simulated_run.parents[1] / "bursts.toml"
    asked = ["run", scenario, "--backend", "simulated", "--first-seed", 7, "--seeds", 2, "--out", tmp_path]
    result = CliRunner().invoke(app, list(map(str, asked)))
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.glob("bursts/*/static-max/seed-8/manifest.json")
    asked = json.loads(path.read_text(encoding="utf-8"))["asked"]
    assert (asked["scenario"], asked["seeds"]) == (str(scenario.resolve()), [7, 8])
