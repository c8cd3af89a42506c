"""Replays of a run with one thing changed, on a simulated run of a bursty plan."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.errors import UsageError
from harness.run.bench import RunRequest, prepare
from harness.run.simulated import run_simulated
from harness.run.twin_model import twin_model
from harness.run.whatif import MoreCores, changes_for, plus, replay_folder, replay_of, violations_in, violations_of
from harness.scenario import load_scenario
from harness.tables import REQUESTS, read_parquet, table_of
from harness.types import Allocation, Decision, Observation, ReplicaState
from systems import SYSTEMS

TWINS = """
title = "a random router, slower service than published, an oracle"
systems = ["fa2-prototype", "oracle"]
[plan]
duration_s = 12.0
[plan.arrivals]
kind = "poisson"
rate_rps = 40.0
[service]
model = "tinycnn"
image_shape = [32, 32, 3]
[cores]
min_cores = 1.0
max_cores = 4.0
step_cores = 1.0
[profile]
published = "yolov5s"
service_ratios = [0.6, 0.87, 1.3]
[overrides.fa2-prototype.twin]
routing = "random"
cold_start_s = [0.5, 2.0]
"""


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
    assert np.array_equal(violations_in(replay(starved)), violations_in(replay(starved)))


@pytest.fixture(scope="module")
def particular(tmp_path_factory):
    """A simulated run whose twin is not the scenario's plain one."""
    place = tmp_path_factory.mktemp("particular")
    (place / "twins.toml").write_text(TWINS, encoding="utf-8")
    request = RunRequest(load_scenario(str(place / "twins.toml"), SYSTEMS), ("fa2-prototype", "oracle"), (1,), place)
    model = twin_model(request.scenario, "tinycnn", {})
    prepared = prepare(request, model.latency, {}, "20260101T000000Z-twin")
    run_simulated(prepared, {}, model, lambda _: None)
    return prepared.folder


@pytest.mark.parametrize("system", ["fa2-prototype", "oracle"])
def test_routing_service_ratios_and_foresight_of_the_run_are_replayed(particular, system):
    folder = particular / system / "seed-1"
    found = replay_folder(folder, manifest_of(folder))
    assert (found.unchanged.any(), found.agrees, found.notes) == (True, 1.0, ())


def test_another_order_of_chance_is_told_apart_where_routing_is_random(particular):
    assert "chance" in [change.name for change in changes_for(replay(particular / "fa2-prototype" / "seed-1"))]


def test_a_simulated_run_that_does_not_come_out_again_is_refused(starved):
    manifest = manifest_of(starved)
    manifest["start"]["cores"] = 4.0
    manifest["system"]["name"] = "static-max"
    with pytest.raises(UsageError, match="requests come out otherwise; must be none"):
        replay_folder(starved, manifest)


def test_a_simulated_run_whose_profile_is_gone_is_refused_with_its_name(starved):
    manifest = manifest_of(starved)
    manifest["backend"]["model"] = {"kind": "measured", "name": "tinycnn", "measured_utc": "2026-01-02"}
    with pytest.raises(UsageError, match="measured tinycnn 2026-01-02; at hand: no such profile"):
        replay_folder(starved, manifest)


def test_a_simulated_run_that_does_not_say_what_its_twin_was_is_refused(starved):
    manifest = manifest_of(starved)
    manifest["backend"] = {"backend": "simulated"}
    with pytest.raises(UsageError, match="backend has no 'model'"):
        replay_folder(starved, manifest)


def test_violations_are_found_by_id_and_a_request_without_a_row_is_one():
    rows = [{"id": k, "status": "served", "received_s": 1.0, "deadline_s": 2.0} for k in (0, 5)]
    assert violations_of(table_of(rows, REQUESTS), np.array([0, 3, 5])).tolist() == [False, True, False]


def test_more_cores_save_what_too_few_cores_lost(replayed):
    assert saved(replayed, "+1 core") > 0


def test_more_cores_are_not_refused_where_the_node_has_no_more(starved):
    full = replay(starved)
    spec = replace(full.simulation.spec, node_cores=full.simulation.start.cores)
    crowded = replace(full, simulation=replace(full.simulation, spec=spec))
    more = next(change for change in changes_for(crowded) if change.name == "+1 core").apply(crowded)
    assert more.simulation.spec.node_cores == 0.0


def test_instant_resizes_save_nothing_where_nothing_is_resized(replayed):
    assert saved(replayed, "instant resize") == 0


def test_changes_come_smallest_first_and_a_simulated_run_has_no_client_lag_to_lose(starved):
    assert [change.name for change in changes_for(replay(starved))] == [
        "instant resize",
        "+0.5 cores",
        "+1 core",
        "infinite bandwidth",
    ]


def test_more_cores_of_a_system_with_replicas_are_said_to_be_on_each(starved):
    several = replace(replay(starved), replicas=3)
    more = next(change for change in changes_for(several) if change.name.startswith("+1 core"))
    assert more.name == "+1 core per replica"
    assert "one more core than the policy asks for, on each of up to 3 replicas" in more.size


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
