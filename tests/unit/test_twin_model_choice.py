"""Which cached profile a simulated run takes, and what it says of it."""

from dataclasses import replace

import pytest

import harness.run.twin_model as choice
from harness.errors import UsageError
from harness.profile import Grid, Profile
from harness.profile.values import Sample, fit_samples
from harness.run.twin_model import twin_model
from harness.scenario import load_scenario
from systems import SYSTEMS

CELLS = [(b, c) for b in (1, 2, 4) for c in (0.4, 0.8, 1.6)]
SAMPLES = tuple(Sample(b, c, 1, 0.03 * b / c, 0.0, 0.0) for b, c in CELLS)
PROFILE = Profile(
    "yolo-n", {"backend": "docker"}, Grid((0.2, 0.4, 0.8, 1.2, 1.6), (1, 2, 4, 8)), SAMPLES, (),
    fit_samples(SAMPLES, "yolo-n"), "2026-01-02", 20.0, 0.1,
)  # fmt: skip
OLDER = replace(PROFILE, measured_utc="2026-01-01")
DISTURBED = replace(PROFILE, measured_utc="2026-01-03", other_cores=1.0)
PROCESS = replace(PROFILE, identity={"backend": "process"}, measured_utc="2026-01-04")


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """Makes the twin's model from these cached profiles."""
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))

    def model(*profiles, backend=""):
        monkeypatch.setattr(choice, "cached_profiles", lambda *_: list(profiles))
        return twin_model(load_scenario("quickstart", SYSTEMS), "yolo-n", {}, backend)

    return model


def test_the_newest_profile_is_taken(chosen):
    assert chosen(OLDER, PROFILE).source["measured_utc"] == "2026-01-02"


def test_an_undisturbed_profile_is_taken_before_a_newer_disturbed_one(chosen):
    assert chosen(PROFILE, DISTURBED).source["measured_utc"] == "2026-01-02"


def test_a_profile_of_the_wanted_backend_is_taken_before_newer_ones(chosen):
    assert chosen(PROFILE, PROCESS, backend="docker").source["backend"] == "docker"


def test_a_disturbed_profile_is_taken_with_a_note_when_there_is_no_other(chosen):
    assert "1.0 cores of this machine did other work" in chosen(DISTURBED).notes[0]


def test_an_undisturbed_profile_needs_no_note(chosen):
    assert chosen(PROFILE).notes == ()


COARSE = replace(PROFILE, grid=Grid((0.4, 1.6), (1, 4), 3), measured_utc="2026-01-05")


def test_a_profile_that_covers_the_grid_is_taken_before_a_newer_one_that_does_not(chosen):
    assert chosen(PROFILE, COARSE).source["measured_utc"] == "2026-01-02"


def test_a_profile_of_a_smaller_grid_is_taken_with_both_grids_and_the_command_named(chosen):
    (note,) = chosen(COARSE).notes
    assert "on a smaller grid (cores 0.4,1.6, batches 1,4, 3 times)" in note
    assert note.endswith("--cores 0.2,0.4,0.8,1.2,1.6 --batches 1,2,4,8 --repeats 5")


def test_without_a_profile_the_command_that_measures_one_is_named(chosen):
    with pytest.raises(UsageError, match=r"sponge-bench profile --model yolo-n --image-shape 253,400,3 --cores 0\.2,"):
        chosen()


def test_every_cell_of_the_scenario_has_service_times(chosen):
    scenario = load_scenario("quickstart", SYSTEMS)
    wanted = {(b + 1, c) for b in range(scenario.engine.max_batch) for c in scenario.cores.values()}
    assert set(chosen(PROFILE).ratios) == wanted
