"""Replays of a run with one thing changed, on a simulated run of a bursty plan."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.run.whatif import MoreCores, changes_for, plus, replay_folder, replay_of, violated
from harness.tables import REQUESTS, read_parquet
from harness.types import Allocation, Decision, Observation, ReplicaState


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def starved(simulated_run):
    """The folder of a system with too few cores."""
    return simulated_run / "static-half" / "seed-1"


@pytest.fixture(scope="module")
def replayed(starved):
    return replay_folder(starved, manifest_of(starved))


def replay(folder):
    requests = read_parquet(folder / "requests.parquet", REQUESTS).sort_by("id")
    return replay_of(folder, manifest_of(folder), requests)


def saved(replayed, name):
    change = next(found for change, found in replayed.changed if change.name == name)
    return int((replayed.unchanged & ~change).sum())


def test_the_run_has_violations_to_explain(replayed):
    assert replayed.unchanged.any()


def test_the_unchanged_replay_of_a_simulated_run_is_that_run(replayed):
    assert replayed.agrees == 1.0


def test_replaying_twice_gives_the_same(starved):
    assert np.array_equal(violated(replay(starved)), violated(replay(starved)))


def test_more_cores_save_what_too_few_cores_lost(replayed):
    assert saved(replayed, "+1 core") > 0


def test_instant_resizes_save_nothing_where_nothing_is_resized(replayed):
    assert saved(replayed, "instant resize") == 0


def test_changes_come_smallest_first_and_a_simulated_run_has_no_client_lag_to_lose(starved):
    assert [change.name for change in changes_for(replay(starved))] == [
        "instant resize",
        "+0.5 cores",
        "+1 core",
        "infinite bandwidth",
    ]


def as_real(folder, place, lag_s):
    """A copy that says it was a real run, whose requests were all sent late."""
    run = place / "run"
    shutil.copytree(folder.parents[1], run)
    copy = run / folder.parent.name / folder.name
    manifest = manifest_of(copy)
    manifest["backend"] = {"backend": "process"}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    rows = pq.read_table(copy / "requests.parquet").to_pandas()
    rows["sent_s"] += lag_s
    pq.write_table(pq.read_table(copy / "requests.parquet").schema.empty_table().from_pandas(rows, schema=REQUESTS),
                   copy / "requests.parquet")  # fmt: skip
    return copy


def test_the_twin_of_a_real_run_sends_when_the_real_run_did(starved, tmp_path):
    late = replay(as_real(starved, tmp_path, 0.25))
    assert late.plan["due_s"] - late.planned_due_s == pytest.approx(0.25)


def test_without_client_lag_the_twin_of_a_real_run_sends_when_planned(starved, tmp_path):
    late = replay(as_real(starved, tmp_path, 0.25))
    prompt = changes_for(late)[0]
    assert (prompt.name, np.array_equal(prompt.apply(late).plan["due_s"], late.planned_due_s)) == (
        "no client lag",
        True,
    )


def test_a_policy_with_more_cores_sees_what_it_asked_for():
    seen = []

    class Watching:
        def decide(self, observation):
            seen.append(observation)
            return Decision(observation.allocation, "hold")

    observation = Observation(0.0, 5.0, Allocation(1.3, 2), replicas=(ReplicaState("replica-0", 1.3, 2),))
    decision = MoreCores(Watching(), 0.1).decide(observation)
    assert (seen[0].allocation.cores, seen[0].replicas[0].cores, decision.target.cores) == pytest.approx(
        (1.2, 1.2, 1.3)
    )


def test_adding_and_taking_away_cores_is_exactly_the_same_again():
    assert plus(plus(Allocation(0.3, 1), 0.1), -0.1) == Allocation(0.3, 1)
