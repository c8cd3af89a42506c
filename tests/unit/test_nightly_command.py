"""`nightly` and `reference` from end to end on a small matrix: a policy made worse by one line is found and named."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness.cli.matrix_run as matrix_run
import systems
from harness.cli import app
from harness.errors import BenchError, CheckError, RunInvalid, UsageError
from harness.nightly.matrix import load_matrix
from harness.policy.system import System
from harness.traces.synthetic import stand_in
from systems import SYSTEMS

CORE = Path(systems.__file__).parents[1] / "scenarios" / "matrix" / "core-4g.toml"
SHIPPED = CORE.with_name("nightly.toml")
MATRIX = """
seeds = 2
again = {scenario = "small.toml", system = "sponge"}
cells = [{scenario = "small.toml", traces = "generated", systems = ["sponge", "static-half"]}]
margins = [{metric = "violation_rate", absolute = 0.005}]
"""
LINE = "cores=outcome.option.cores,"


class Place:
    """A folder with a small matrix, its reference and its nights."""

    def __init__(self, folder):
        self.folder = folder
        scenario = CORE.read_text().replace("duration_s = 60.0", "duration_s = 12.0").replace("yolo-n", "tinycnn")
        (folder / "small.toml").write_text(scenario)
        (folder / "m.toml").write_text(MATRIX)

    def call(self, command, *arguments):
        common = ["--matrix", self.folder / "m.toml", "--reference", self.folder / "ref", "--processes", 1]
        return CliRunner().invoke(app, [command, *map(str, [*common, *arguments])])

    def night(self, *arguments):
        return self.call("nightly", "--real", "never", "--out", self.folder / "night", *arguments)


@pytest.fixture(autouse=True)
def no_pages(monkeypatch):
    """Pages are made by another command, in a process of its own; its tests are elsewhere."""
    monkeypatch.setattr("harness.cli.nightly.write_reports", lambda *_: None)


@pytest.fixture(scope="module")
def referenced(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("nightly"))
    done = place.call("reference", "--reason", "the first one")
    assert done.exit_code == 0, done.output
    return place


@pytest.fixture
def place(referenced, tmp_path):
    shutil.copytree(referenced.folder, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


def worse_sponge(tmp_path):
    """Sponge with one line changed: it takes 60 % of the cores it found to be needed."""
    source = Path(systems.__file__).parent / "sponge" / "policy.py"
    text = source.read_text()
    assert text.count(LINE) == 1
    changed = tmp_path / "worse_sponge.py"
    changed.write_text(text.replace(LINE, "cores=0.6 * outcome.option.cores,"))
    spec = importlib.util.spec_from_file_location("worse_sponge", changed)
    module = sys.modules["worse_sponge"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return System("sponge", module.build, SYSTEMS["sponge"].file)


def test_without_a_change_every_number_is_the_references(place):
    done = place.night("--exact")
    assert done.exit_code == 0, done.output
    assert "all 2 systems exactly as in the reference" in done.output


def test_one_line_of_a_policy_changed_for_the_worse_fails_and_names_system_scenario_and_metric(
    place, monkeypatch, tmp_path
):
    monkeypatch.setitem(SYSTEMS, "sponge", worse_sponge(tmp_path))
    done = place.night()
    assert isinstance(done.exception, CheckError)
    assert "small sponge violation_rate" in str(done.exception)
    monkeypatch.undo()
    assert place.night().exit_code == 0


def test_a_night_leaves_its_artefacts_in_one_folder(place):
    place.night()
    assert {"summary.md", "summary.json", "numbers.parquet", "twin"} <= {
        p.name for p in (place.folder / "night").iterdir()
    }


def test_a_reference_is_refused_without_a_reason(place):
    assert isinstance(place.call("reference", "--reason", "  ").exception, UsageError)


def test_the_reason_is_kept_beside_the_numbers_and_in_the_history(place):
    taken = json.loads((place.folder / "ref" / "m.json").read_text())["taken"]
    (line,) = (place.folder / "ref" / "m-history.jsonl").read_text().splitlines()
    assert taken["reason"] == json.loads(line)["reason"] == "the first one"


def test_a_reference_that_would_say_the_same_is_not_written_again(place):
    path = place.folder / "ref" / "m.json"
    before = path.read_text()
    assert "nothing written" in place.call("reference", "--reason", "again").output
    assert path.read_text() == before


def test_renewing_shows_the_difference_and_the_next_night_passes(place, monkeypatch, tmp_path):
    monkeypatch.setitem(SYSTEMS, "sponge", worse_sponge(tmp_path))
    done = place.call("reference", "--reason", "worse on purpose")
    assert "REGRESSION small sponge violation_rate" in done.output
    assert place.night("--exact").exit_code == 0


def test_without_a_reference_a_night_says_how_to_make_one(place):
    (place.folder / "ref" / "m.json").unlink()
    assert "make reference REASON" in str(place.night().exception)


def test_a_twin_that_is_not_deterministic_fails(place, monkeypatch):
    found = ["small sponge seed 1: resizes = 4, again 5"]
    monkeypatch.setattr("harness.cli.nightly.differences", lambda *_: found)
    assert "not deterministic" in str(place.night().exception)


@pytest.fixture
def unreachable(place, monkeypatch):
    """A scenario `measured` in the place, whose trace is not here and cannot be fetched."""
    (place.folder / "measured.toml").write_text(
        CORE.read_text().replace("synthetic-ghent-4g/bus_0001", "ghent-4g/bus_0001")
    )

    def no_network(scenario, _mirror):
        names = scenario.plan.trace_names()
        return {n: stand_in(n.removeprefix("synthetic-"), "no network") for n in names}

    monkeypatch.setattr(matrix_run, "load_traces", no_network)
    return place


def test_measured_traces_that_cannot_be_had_skip_their_cell_loudly(unreachable):
    cells = 'cells = [{scenario = "measured.toml", systems = ["static-half"]},'
    (unreachable.folder / "m.toml").write_text(MATRIX.replace("cells = [", cells))
    done = unreachable.night()
    assert "SKIPPED measured: synthetic-ghent-4g/bus_0001: no network" in done.output
    assert "all 2 systems exactly as in the reference; 1 scenario skipped" in done.output


def test_when_the_cell_of_the_same_twice_is_skipped_the_night_says_so_and_goes_on(unreachable):
    cells = 'cells = [{scenario = "measured.toml", systems = ["sponge"]},'
    twice = 'again = {scenario = "measured.toml"'
    matrix = MATRIX.replace("cells = [", cells).replace('again = {scenario = "small.toml"', twice)
    (unreachable.folder / "m.toml").write_text(matrix)
    done = unreachable.night()
    assert done.exit_code == 0, done.output
    assert "SKIPPED the same system twice: measured was skipped" in done.output


def test_a_cell_that_says_its_traces_are_generated_is_never_skipped(unreachable):
    cells = 'cells = [{scenario = "measured.toml", traces = "generated", systems = ["static-half"]},'
    (unreachable.folder / "m.toml").write_text(MATRIX.replace("cells = [", cells))
    refused = unreachable.night().exception
    assert isinstance(refused, UsageError)
    assert "measured.toml: traces = 'generated'; must be 'measured', for it takes" in str(refused)


def test_a_scenario_of_the_reference_that_left_the_matrix_cannot_be_compared(place):
    (place.folder / "other.toml").write_text((place.folder / "small.toml").read_text())
    (place.folder / "m.toml").write_text(MATRIX.replace("small.toml", "other.toml"))
    assert "2 cannot be compared, the first: small sponge" in str(place.night().exception)


@pytest.mark.parametrize("real", ["auto", "always"])
def test_renewing_says_what_became_of_the_real_run_and_keeps_none_of_which_a_half_is_missing(place, monkeypatch, real):
    half = matrix_run.RealRuns(first=("numbers",), said=("real run INVALID, not judged: send lag",))
    monkeypatch.setattr("harness.cli.nightly.run_real", lambda *_: half)
    done = place.call("reference", "--reason", "again", "--real", real)
    assert "real run INVALID, not judged: send lag" in done.output
    assert isinstance(done.exception, RunInvalid) == (real == "always")
    assert not (place.folder / "ref" / "m-real.json").exists()


def test_without_an_engine_the_real_run_is_skipped_loudly(monkeypatch, tmp_path):
    monkeypatch.setattr(matrix_run, "engine_reason", lambda: "no Docker engine answers")
    real = load_matrix(SHIPPED).real
    assert matrix_run.run_real(real, "auto", tmp_path, print).said == ("SKIPPED real run: no Docker engine answers",)


def test_a_real_run_that_must_be_and_cannot_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(matrix_run, "engine_reason", lambda: "no Docker engine answers")
    with pytest.raises(BenchError, match="--real always: no Docker engine"):
        matrix_run.run_real(load_matrix(SHIPPED).real, "always", tmp_path, print)


def test_the_shipped_matrix_runs_something_that_no_download_can_stop():
    assert any(cell.traces == "generated" for cell in load_matrix(SHIPPED).cells)
