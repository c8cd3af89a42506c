"""The index of results: what it lists, what it keeps, and that it never believes what it kept over the folders."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.chosen_run import chosen_run
from harness.errors import UsageError
from harness.index import Wanted, index, newest_run, runs_behind, select
from harness.index.cache import INDEX_FILE
from harness.index.find import parse_utc

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def session(results: Path, run: str, **changes) -> Path:
    """A manifest as runs leave it: `scenario/run/system/seed`, valid unless told otherwise."""
    scenario, name, system, seed = run.split("/")
    folder = results / scenario / name / system / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "started_utc": f"{name[:4]}-{name[4:6]}-{name[6:8]}T12:00:00+00:00",
        "backend": {"backend": "simulated"},
        "plan": {"planned": 100},
        "git_commit": COMMIT,
        "git_dirty": False,
        "state": "done",
        "valid": True,
        "invalid_reasons": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


@pytest.fixture
def results(tmp_path):
    for run in ("a/20260101T-x/sponge/1", "a/20260101T-x/sponge/2", "a/20260101T-x/vpa/1", "b/20260201T-y/sponge/1"):
        session(tmp_path, run)
    return tmp_path


def names(entries):
    return [entry.name for entry in entries]


def test_one_entry_gathers_the_systems_and_seeds_of_a_run(results):
    entry = index(results)[0]
    assert (entry.systems, entry.seeds, entry.planned, entry.commit) == (("sponge", "vpa"), (1, 2), 300, COMMIT)


def test_entries_come_oldest_first(results):
    session(results, "a/20250101T-z/sponge/1")
    assert names(index(results)) == ["20250101T-z", "20260101T-x", "20260201T-y"]


def test_the_second_call_reads_no_manifest(results, monkeypatch):
    first = index(results)
    monkeypatch.setattr("harness.index.cache.read_entry", lambda folder: pytest.fail(f"{folder} was read again"))
    assert index(results) == first


def test_a_manifest_that_was_written_again_is_read_again(results):
    index(results)
    session(results, "b/20260201T-y/sponge/1", valid=False, invalid_reasons=["late"])
    assert index(results)[-1].problems == ("sponge/seed-1: late",)


def test_a_run_whose_folder_is_gone_is_forgotten(results):
    index(results)
    shutil.rmtree(results / "a")
    assert names(index(results)) == ["20260201T-y"]


def test_results_that_were_moved_are_found_where_they_are_now(results, tmp_path_factory):
    index(results)
    moved = tmp_path_factory.mktemp("moved") / "results"
    shutil.copytree(results, moved, copy_function=shutil.copy2)
    assert all(entry.folder.is_relative_to(moved) for entry in index(moved))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version": 1, "entries": {"a/20260101T-x": {"stamp": [], "entry": 3}}}']
)
def test_a_damaged_index_costs_only_time(results, text):
    undamaged = index(results)
    (results / INDEX_FILE).write_text(text)
    assert index(results) == undamaged


def test_an_entry_of_the_index_that_is_not_one_is_read_again(results):
    undamaged = index(results)
    kept = json.loads((results / INDEX_FILE).read_text())
    for one in kept["entries"].values():
        del one["entry"]["commit"]
    (results / INDEX_FILE).write_text(json.dumps(kept))
    assert index(results) == undamaged


def test_a_manifest_that_is_not_json_is_a_problem_of_its_run_and_no_error(results):
    (results / "b/20260201T-y/sponge/seed-1/manifest.json").write_text("{")
    assert index(results)[0].problems == ("sponge/seed-1: manifest.json is not a manifest",)


@pytest.mark.parametrize(
    "odd",
    [
        {"plan": None},
        {"backend": "docker"},
        {"invalid_reasons": 3},
        {"asked": []},
        {"scenario": "quickstart"},
        {"traces": ["a"]},
        {"asked": {"systems": None}},
    ],
)
def test_a_manifest_of_another_form_is_a_problem_of_its_run_and_no_error(results, odd):
    session(results, "b/20260201T-y/sponge/1", **odd)
    problems = [entry.problems for entry in index(results) if entry.scenario == "b"]
    assert problems == [("sponge/seed-1: manifest.json is not a manifest",)]


def test_a_stand_in_for_a_measured_trace_is_named(results):
    session(results, "b/20260201T-y/sponge/1", traces=[{"name": "synthetic-x", "synthetic_because": "no network"}])
    assert index(results)[-1].traces == "SYNTHETIC, in place of measured traces: synthetic-x (no network)"


def test_a_folder_that_is_no_seed_is_none_of_the_run(results):
    session(results, "b/20260201T-y/sponge/old")
    assert [entry.seeds for entry in index(results) if entry.scenario == "b"] == [(1,)]


def test_what_was_asked_for_and_did_not_run_is_a_problem(results):
    asked = {"systems": ["sponge", "vpa"], "seeds": [1, 2, 3]}
    session(results, "b/20260201T-y/sponge/1", asked=asked)
    (entry,) = (entry for entry in index(results) if entry.scenario == "b")
    assert entry.problems == ("did not run: sponge/seed-2, sponge/seed-3, vpa/seed-1 and 2 more",)
    assert not entry.valid


def test_a_run_that_still_goes_on_is_not_valid(results):
    session(results, "b/20260201T-y/sponge/1", state="running", valid=None)
    (problem,) = index(results)[-1].problems
    assert problem == "sponge/seed-1: state running (it goes on, or was killed: see `sponge-bench status`)"


def test_a_sweep_is_listed_and_is_not_valid_before_its_table_is_there(results):
    folder = results / "a" / "sweep-1"
    folder.mkdir()
    (folder / "sweep.json").write_text(json.dumps({"systems": ["sponge"], "started_utc": "2026-03-01T00:00:00+00:00"}))
    assert (index(results)[-1].kind, index(results)[-1].valid) == ("sweep", False)
    (folder / "sweep.parquet").write_bytes(b"")
    assert index(results)[-1].valid


def test_a_folder_without_results_has_no_entries(tmp_path):
    assert index(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Wanted(scenario="b"), ["20260201T-y"]),
        (Wanted(system="vpa"), ["20260101T-x"]),
        (Wanted(since=parse_utc("2026-01-15")), ["20260201T-y"]),
        (Wanted(commit="0123"), ["20260101T-x", "20260201T-y"]),
        (Wanted(commit="ffff"), []),
        (Wanted(), ["20260101T-x", "20260201T-y"]),
    ],
)
def test_entries_are_chosen_by_scenario_system_date_and_commit(results, wanted, left):
    assert names(select(index(results), wanted)) == left


def test_a_commit_that_is_too_short_is_refused(results):
    with pytest.raises(UsageError, match="at least 4 hexadecimal"):
        select(index(results), Wanted(commit="01"))


def test_a_date_that_is_none_is_refused():
    with pytest.raises(UsageError, match="--since = 'yesterday'"):
        parse_utc("yesterday", "--since")


def test_the_newest_run_is_the_last_valid_one(results):
    session(results, "b/20260301T-z/sponge/1", valid=False, invalid_reasons=["late"])
    assert newest_run(results, "b").name == "20260201T-y"
    assert newest_run(results, "b", valid_only=False).name == "20260301T-z"


def test_the_newest_run_of_an_unknown_scenario_names_those_there_are(results):
    with pytest.raises(UsageError, match="no run of c; there are runs of: a, b"):
        newest_run(results, "c")


def test_the_newest_run_says_why_none_is_valid(tmp_path):
    session(tmp_path, "b/20260301T-z/sponge/1", valid=False, invalid_reasons=["late"])
    with pytest.raises(UsageError, match="none of them valid; the last: sponge/seed-1: late"):
        newest_run(tmp_path, "b")


@pytest.mark.parametrize(
    "names_in_sidecar",
    [
        ["20260101T-x"],
        ["a/20260101T-x"],
        ["a/20260101T-x/sponge/seed-1", "a/20260101T-x/vpa/seed-1"],
        [{"folder": "results/a/20260101T-x", "run_id": "20260101T-x"}],
    ],
)
def test_a_figure_leads_back_to_its_runs(results, names_in_sidecar):
    figure = results / "cores.png"
    (results / "cores.json").write_text(json.dumps({"runs": names_in_sidecar}))
    assert {entry.name for entry in runs_behind(figure, results)} == {"20260101T-x"}


def test_a_figure_without_a_file_beside_it_cannot_be_traced(results):
    with pytest.raises(UsageError, match=r"no cores\.json beside it"):
        runs_behind(results / "cores.png", results)


def test_a_figure_of_a_run_that_is_gone_says_so(results):
    (results / "cores.png.json").write_text('{"runs": ["20200101T-q"]}')
    with pytest.raises(UsageError, match="names '20200101T-q'"):
        runs_behind(results / "cores.png", results)


def test_a_sidecar_that_names_no_runs_is_refused(results):
    (results / "cores.json").write_text("{}")
    with pytest.raises(UsageError, match="names no runs"):
        runs_behind(results / "cores.png", results)


def shown(*arguments):
    return CliRunner().invoke(app, ["results", *map(str, arguments)])


def test_the_command_lists_a_line_per_run_and_says_what_is_wrong(results):
    session(results, "b/20260301T-z/sponge/1", valid=False, invalid_reasons=["late"])
    text = shown("--out", results, "--scenario", "b").stdout
    assert "20260201T-y" in text
    assert "20260301T-z INVALID: sponge/seed-1: late" in text
    assert "20260101T-x" not in text


def test_the_command_prints_json_for_programs(results):
    (entry,) = json.loads(shown("--out", results, "--scenario", "b", "--json").stdout)
    assert (entry["name"], entry["valid"]) == ("20260201T-y", True)


def test_the_command_says_when_nothing_matches(results):
    assert "no run or sweep that matches" in shown("--out", results, "--scenario", "a", "--system", "fa2").stdout


def test_a_scenario_nothing_was_run_of_is_named_with_those_that_were(results):
    found = shown("--out", results, "--scenario", "c")
    assert "unknown scenario with runs 'c'; known: a, b" in str(found.exception)


def test_a_folder_of_several_runs_names_the_newest(results):
    session(results, "a/20260301T-z/sponge/1")
    with pytest.raises(UsageError, match=r"holds 2 runs, name one of them; the newest is .*20260301T-z"):
        chosen_run(str(results / "a"), results)


@pytest.mark.parametrize("asked", ["sweep-1", "{results}/a/sweep-1"])
def test_a_sweep_is_not_taken_for_a_run(results, asked):
    (results / "a" / "sweep-1").mkdir()
    (results / "a" / "sweep-1" / "sweep.json").write_text("{}")
    with pytest.raises(UsageError, match=r"a sweep, whose result is the table sweep\.parquet"):
        chosen_run(asked.format(results=results), results)
