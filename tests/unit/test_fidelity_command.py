"""What `sponge-bench fidelity` runs for real, and when, with the machine left out."""

from pathlib import Path

import pytest
from rich.console import Console

import harness.cli.fidelity as command
from harness.cli.fidelity import CALIBRATION_SEED, Asked, cached_calibration, folders_in, keep, run_and_calibrate
from harness.latency import LatencyModel
from harness.run.bench import RunRequest
from harness.run.fidelity_calibration import Calibration
from harness.scenario import load_scenario
from systems import SYSTEMS

LATENCY = LatencyModel(0.03, 0.002, 0.0, 0.0, name="yolo-n")
CACHED = Calibration({"backend": "docker"}, "quickstart", ("r0/sponge/seed-1001",), "", 0.1, {})
NEW = Calibration({"backend": "docker"}, "quickstart", ("calibrating/sponge/seed-1001",), "", 0.1, {})


class Place:
    """A backend nobody starts."""

    name = "docker"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def ran(monkeypatch):
    """Seeds of every real run that was made, in order."""
    seeds = []

    def run_once(_console, request, *_):
        seeds.append(request.seeds)
        return Path("calibrating" if request.seeds == (CALIBRATION_SEED,) else "judged")

    monkeypatch.setattr(command, "latency_for", lambda *_: LATENCY)
    monkeypatch.setattr(command, "run_once", run_once)
    monkeypatch.setattr(command, "run_folders", lambda folder: [folder])
    monkeypatch.setattr(command, "calibrate", lambda _folders: NEW)
    monkeypatch.setattr(command, "keep", lambda *_: None)
    monkeypatch.setattr(command, "at_hand", lambda *_: None)
    return seeds


def made(given=None, *, fresh=False, plain=False):
    request = RunRequest(load_scenario("quickstart", SYSTEMS), ("sponge",), (1, 2), Path())
    return run_and_calibrate(Console(quiet=True), Asked(request, {}, fresh), Place(), given, plain=plain)


def test_without_a_calibration_at_hand_one_is_run_on_a_seed_of_its_own(ran):
    assert (made(), ran) == ((Path("judged"), NEW), [(CALIBRATION_SEED,), (1, 2)])


def test_a_cached_calibration_saves_a_run(ran, monkeypatch):
    monkeypatch.setattr(command, "at_hand", lambda *_: CACHED)
    assert (made(), ran) == ((Path("judged"), CACHED), [(1, 2)])


def test_a_new_calibration_is_run_although_one_is_cached(ran, monkeypatch):
    monkeypatch.setattr(command, "at_hand", lambda *_: CACHED)
    assert (made(fresh=True)[1], len(ran)) == (NEW, 2)


def test_a_given_calibration_saves_a_run(ran):
    assert (made(CACHED), ran) == ((Path("judged"), CACHED), [(1, 2)])


def test_plain_runs_once_and_knows_no_calibration(ran):
    assert (made(plain=True), ran) == ((Path("judged"), None), [(1, 2)])


@pytest.mark.parametrize(("other_cores", "kept"), [(0.1, 1), (0.9, 0)])
def test_a_calibration_of_a_busy_machine_is_not_kept(other_cores, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    keep(Console(quiet=True), "yolo-n", Calibration({"backend": "docker"}, "q", (), "", other_cores, {}))
    assert len(list(tmp_path.rglob("*.json"))) == kept


def test_the_cached_calibration_is_looked_up_by_the_folders_that_were_chosen(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "real_manifest", asked.append)
    monkeypatch.setattr(command, "calibration_for", lambda run, _manifest: run)
    for system in ("an-interrupted-one", "sponge"):
        (tmp_path / system / "seed-1").mkdir(parents=True)
        (tmp_path / system / "seed-1" / "manifest.json").write_text("{}")
    folders = folders_in(tmp_path, "sponge")
    assert (cached_calibration(tmp_path, folders), asked) == (tmp_path.name, [tmp_path / "sponge" / "seed-1"])
