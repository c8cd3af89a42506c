"""A profile is kept per identity, found again, and measured anew when anything it depends on has changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.profile import obtain
from harness.profile.grid import Grid
from harness.profile.obtain import ProfileRequest, obtain_profile
from harness.profile.store import load_profile, profile_path, save_profile
from harness.profile.values import Profile, Sample, fit_samples
from harness.replica.models import ModelFile

GRID = Grid((0.5, 1.0), (1, 2), repeats=1)
SAMPLES = tuple(Sample(b, c, 1, 0.1 * b / c, 0.01, 0.09) for b in (1, 2) for c in (0.5, 1.0))
MODEL = ModelFile(Path("m.onnx"), "m", "0" * 64, 32, 32)
REQUEST = ProfileRequest(MODEL, (24, 40, 3), GRID, {"cpu": "x"}, "run")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of our own."""
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path))
    return tmp_path


def profile_for(request, facts):
    return Profile(
        name=request.model.name,
        identity=request.identity(facts),
        grid=request.grid,
        samples=SAMPLES,
        skipped=((4, 0.5),),
        latency=fit_samples(SAMPLES, "m"),
        measured_utc="2024-01-01T00:00:00+00:00",
        took_s=1.0,
        other_cores=0.1,
    )


class Place:
    """A backend that counts its starts; its image is known only once it has started."""

    url = "http://127.0.0.1:1"

    def __init__(self, image="a"):
        self.image = image
        self.starts = 0
        self.stops = 0
        self.running = False

    def start(self, _service, _allocation):
        self.starts += 1
        self.running = True

    def facts(self):
        return {"backend": "place", **({"image": self.image} if self.running else {})}

    def stop(self):
        self.stops += 1
        self.running = False


@pytest.fixture
def measured(monkeypatch):
    """Stands in for the measurement itself; the list of what was measured."""
    done = []

    def measure(request, _backend, facts, _watch):
        done.append(facts)
        return profile_for(request, facts)

    monkeypatch.setattr(obtain, "_measured", measure)
    return done


def test_a_profile_survives_its_file():
    profile = profile_for(REQUEST, {"backend": "place"})
    assert load_profile(save_profile(profile)) == profile


def test_an_unlimited_budget_survives_its_file():
    profile = replace(profile_for(REQUEST, {"backend": "place"}), grid=replace(GRID, budget_s=float("inf")))
    assert load_profile(save_profile(profile)) == profile


def test_a_profile_is_measured_once(measured):
    place = Place()
    first, second = (obtain_profile(REQUEST, place) for _ in range(2))
    assert (first[1], second[1], len(measured), second[0]) == (True, False, 1, first[0])


def test_a_fresh_profile_is_measured_again(measured):
    for _ in range(2):
        obtain_profile(REQUEST, Place(), fresh=True)
    assert len(measured) == 2


def test_a_profile_of_a_busy_machine_is_measured_again(measured):
    save_profile(replace(profile_for(REQUEST, {"backend": "place", "image": "a"}), other_cores=1.5))
    obtain_profile(REQUEST, Place("a"))
    assert len(measured) == 1


@pytest.mark.parametrize(
    "changed",
    [
        replace(REQUEST, model=replace(MODEL, sha256="1" * 64)),
        replace(REQUEST, host={"cpu": "y"}),
        replace(REQUEST, image_shape=(24, 41, 3)),
        replace(REQUEST, grid=Grid((0.5, 2.0), (1, 2))),
    ],
)
def test_a_profile_of_other_conditions_does_not_count(measured, changed):
    obtain_profile(REQUEST, Place())
    obtain_profile(changed, Place())
    assert len(measured) == 2


def test_a_profile_of_another_image_does_not_count(measured):
    obtain_profile(REQUEST, Place("a"))
    obtain_profile(REQUEST, Place("b"))
    assert [facts["image"] for facts in measured] == ["a", "b"]


def test_who_runs_it_does_not_matter(measured):
    obtain_profile(REQUEST, Place())
    obtain_profile(replace(REQUEST, run_id="another", seed=9), Place())
    assert len(measured) == 1


def test_a_backend_that_knows_its_facts_is_not_started_for_a_profile_at_hand():
    place = Place()
    save_profile(profile_for(REQUEST, place.facts()))
    obtain_profile(REQUEST, place)
    assert place.starts == 0


def test_the_backend_is_stopped_when_measuring_fails():
    place = Place()
    with pytest.raises(UsageError, match="its port is taken"):
        obtain_profile(REQUEST, FailingPlace(place))
    assert place.stops == 1


class FailingPlace:
    """A backend that cannot start."""

    def __init__(self, place):
        self.facts, self.stop = place.facts, place.stop

    def start(self, _service, _allocation):
        raise UsageError("its port is taken")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2, "grid": 3}'])
def test_a_file_that_is_not_a_profile_is_named(cache, text):
    path = cache / "x.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"x\.json: not a profile this program can read"):
        load_profile(path)


def test_a_profile_of_another_version_is_no_profile(cache):
    (cache / "x.json").write_text('{"version": 1}')
    assert load_profile(cache / "x.json") is None


def test_no_file_is_no_profile(cache):
    assert load_profile(cache / "gone.json") is None


def test_the_file_is_named_after_model_and_backend():
    assert profile_path("m", {"backend": "docker"}).name.startswith("m-docker-")
