"""Calibrations: from the folders of real runs, kept, and put into the twin's model."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.cache import CACHE_VARIABLE
from harness.errors import UsageError
from harness.latency import GridCell, LatencyModel
from harness.outcome import used_core_s
from harness.run.fidelity_calibration import (
    MOST_VALUES,
    Calibration,
    calibrate,
    calibration_path,
    kept_calibration,
    load_calibration,
    measured_spec,
    save_calibration,
    thinned,
)
from harness.run.fidelity_observed import batches_of, changes_of, ticks_of
from harness.run.twin_model import everywhere, remembered_model
from harness.scenario import load_scenario
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, REQUESTS, USAGE, table_of, write_parquet
from harness.types import Allocation
from systems import SYSTEMS

START = Allocation(1.0, 1)
GRID = tuple(GridCell(b, c, 0.03 * b / c + 0.002 * b) for b in (1, 2, 4, 8) for c in (0.4, 0.8, 1.2, 1.6))
LATENCY = LatencyModel(
    0.03, 0.002, 0.0, 0.0, quantile_levels=(0.05, 0.5, 0.95), quantile_ratios=(0.9, 1.0, 1.1), grid=GRID
)
IDENTITY = {"backend": "docker", "host_cpu": "some"}


def calibration(**differences):
    facts = {"identity": IDENTITY, "scenario": "quickstart", "runs": ("r1/sponge/seed-1001",), "other_cores": 0.2}
    return Calibration(**{**facts, "measured_utc": "2026-01-01", "cells": {(1, 0.8): (0.05,) * 50}, **differences})


def request(k, **differences):
    row = {
        "id": k,
        "due_s": k * 0.1,
        "queued_s": k * 0.1 + 0.002,
        "started_s": k * 0.1 + 0.01,
        "status": "served",
        "finished_s": k * 0.1 + 0.06,
        "received_s": k * 0.1 + 0.063,
        "batch_id": k,
        "batch_size": 1,
        "cores": 1.0,
    }
    return {**row, **differences}  # fmt: skip


def decision(t_s, took_s, cores, batch, replicas=1, outcome="ok"):
    return {"tick_s": t_s, "target_cores": cores, "target_batch_size": batch, "target_replicas": replicas,
            "requested_at_s": t_s, "effective_s": t_s + took_s, "effective_cores": cores,
            "effective_replicas": replicas, "outcome": outcome}  # fmt: skip


def folder_of(root, run="r1", backend="docker", state="done", cpu="some", many=20):
    folder = root / "quickstart" / run / "sponge" / "seed-1"
    folder.mkdir(parents=True)
    write_parquet(folder / "requests.parquet", table_of([request(k) for k in range(many)], REQUESTS))
    write_parquet(folder / "decisions.parquet", table_of([decision(1.0, 0.03, 2.0, 1)], DECISIONS))
    usage = [{"t_s": float(t), "replica": "replica-0", "used_cores": 0.5} for t in range(3)]
    write_parquet(folder / "usage.parquet", table_of(usage, USAGE))
    manifest = {
        "state": state,
        "started_utc": "2026-01-01T00:00:00+00:00",
        "backend": {"backend": backend},
        "host": {"cpu": cpu, "cores": 2, "kernel": "k", "cgroup": "v1"},
        "scenario": {"name": "quickstart", "tick_s": 1.0, "service": {"image_shape": [253, 400, 3]}},
        "model": {"name": "yolo-n", "sha256": "abc"},
        "start": {"cores": 1.0, "batch_size": 1, "replicas": 1},
        "load": {"host_load": {"busy_cores": 1.0, "stolen_cores": 0.1}, "elapsed_s": 2.0},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_a_real_run_gives_service_times_delays_and_ways(tmp_path):
    found = calibrate([folder_of(tmp_path)])
    assert found.cells[1, 1.0] == pytest.approx((0.05,) * 20)
    assert found.resize_delay_s == pytest.approx((0.03,))
    assert found.inbound_s == pytest.approx((0.002,) * 20)
    assert found.outbound_s == pytest.approx((0.003,) * 20)


def test_cores_spent_on_anything_else_are_busy_and_stolen_without_the_served(tmp_path):
    assert calibrate([folder_of(tmp_path)]).other_cores == pytest.approx(1.1 - 0.5)


def test_a_calibration_says_which_runs_it_comes_from(tmp_path):
    found = calibrate([folder_of(tmp_path)])
    assert (found.runs, found.run_ids) == (("r1/sponge/seed-1",), {"r1"})


def test_a_run_of_the_twin_calibrates_nothing(tmp_path):
    with pytest.raises(UsageError, match="must be a run on a real backend"):
        calibrate([folder_of(tmp_path, backend="simulated")])


def test_a_run_that_did_not_end_calibrates_nothing(tmp_path):
    with pytest.raises(UsageError, match="state = 'interrupted'; must be a run that ended"):
        calibrate([folder_of(tmp_path, state="interrupted")])


def test_runs_of_two_machines_make_no_calibration(tmp_path):
    with pytest.raises(UsageError, match="another host_cpu"):
        calibrate([folder_of(tmp_path), folder_of(tmp_path, run="r2", cpu="other")])


def test_no_folder_makes_no_calibration():
    with pytest.raises(UsageError, match="no run"):
        calibrate([])


def test_a_calibration_survives_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    path = save_calibration("yolo-n", calibration())
    assert (path, load_calibration(path)) == (calibration_path("yolo-n", IDENTITY), calibration())


@pytest.mark.parametrize(("other_cores", "taken"), [(0.5, True), (0.7, False)])
def test_a_cached_calibration_of_a_busy_machine_is_taken_by_nobody(other_cores, taken, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    save_calibration("yolo-n", calibration(other_cores=other_cores))
    assert (kept_calibration("yolo-n", IDENTITY) is not None) is taken


def test_a_missing_calibration_is_none(tmp_path):
    assert load_calibration(tmp_path / "none.json") is None


def test_a_file_that_is_no_calibration_is_named(tmp_path):
    (tmp_path / "c.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="not a calibration this program can read"):
        load_calibration(tmp_path / "c.json")


@pytest.mark.parametrize(("other_cores", "disturbed"), [(0.5, False), (0.7, True)])
def test_a_calibration_of_a_busy_machine_is_disturbed(other_cores, disturbed):
    assert calibration(other_cores=other_cores).disturbed is disturbed


def test_measured_delays_take_the_place_of_defaults():
    assert measured_spec(TwinSpec(), {"resize_delay_s": (0.03,)}).resize_delay_s == (0.03,)


def test_a_delay_the_scenario_asks_for_stays():
    asked = TwinSpec(resize_delay_s=(0.5,))
    assert measured_spec(asked, {"resize_delay_s": (0.03,)}).resize_delay_s == (0.5,)


def test_many_values_are_thinned_to_quantiles_of_the_same_mean():
    values = np.random.default_rng(1).exponential(1.0, 10_000)
    found = thinned(values.tolist())
    assert (len(found), np.mean(found)) == (MOST_VALUES, pytest.approx(values.mean(), rel=0.01))


def test_the_twin_of_a_calibrated_model_serves_as_the_runs_did():
    scenario = load_scenario("quickstart", SYSTEMS)
    model = everywhere(remembered_model(LATENCY, {}), scenario, calibration(cells={(1, 0.8): (0.08,) * 500}))
    assert np.mean(model.ratios[1, 0.8]) * LATENCY.predict_s(1, 0.8) == pytest.approx(0.08, rel=0.02)


def test_a_calibrated_model_says_from_which_run():
    model = everywhere(remembered_model(LATENCY, {}), load_scenario("quickstart", SYSTEMS), calibration())
    assert model.source["calibration"] == "calibrated on quickstart, run r1"


def test_a_disturbed_calibration_is_noted():
    model = everywhere(
        remembered_model(LATENCY, {}), load_scenario("quickstart", SYSTEMS), calibration(other_cores=1.0)
    )
    assert "1.0 cores of this machine did other work" in model.notes[0]


def test_a_model_without_measurements_keeps_exactly_its_times():
    bare = remembered_model(LatencyModel(0.03, 0.002, 0.0, 0.0), {})
    assert everywhere(bare, load_scenario("quickstart", SYSTEMS), None).spec(TwinSpec()).service == "mean"


def changes(*rows, start=START):
    return changes_of(table_of(rows, DECISIONS), start)


def test_ticks_are_late_by_what_their_instants_say():
    rows = [
        {**decision(1.004, 0.0, 1.0, 1), "requested_at_s": 1.024},
        {**decision(3.3, 0.0, 1.0, 1), "requested_at_s": 3.31},
    ]
    found = ticks_of(table_of(rows, DECISIONS), 1.0)
    assert found.observe_s == pytest.approx((0.004, 0.3))
    assert found.decide_s == pytest.approx((0.02, 0.01))


def test_ticks_of_the_twin_are_not_late():
    rows = [decision(k * 0.1, 0.0, 1.0, 1) for k in range(1, 50)]
    assert max(ticks_of(table_of(rows, DECISIONS), 0.1).observe_s) < 1e-9


def test_growing_is_a_resize_before_anything_else():
    assert changes(decision(1.0, 0.03, 2.0, 4)).resize_s == pytest.approx((0.03,))


def test_calls_before_a_shrinking_resize_are_taken_off_at_their_median():
    rows = decision(1.0, 0.004, 1.0, 2), decision(2.0, 0.034, 0.5, 1)
    assert changes(*rows).resize_s == pytest.approx((0.03,))


def test_a_change_of_the_batch_alone_is_a_call():
    assert changes(decision(1.0, 0.004, 1.0, 2)).control_s == pytest.approx((0.004,))


def test_a_new_replica_is_a_cold_start():
    assert changes(decision(1.0, 3.2, 1.0, 1, replicas=2)).cold_start_s == pytest.approx((3.2,))


def test_a_decision_that_keeps_everything_took_nothing():
    found = changes(decision(1.0, 0.5, 1.0, 1))
    assert (found.resize_s, found.control_s, found.cold_start_s) == ((), (), ())


def test_a_failed_decision_says_nothing_of_delays():
    assert changes(decision(1.0, 0.5, 2.0, 1, outcome="failed")).resize_s == ()


def test_batches_come_in_the_order_they_began_and_once_each():
    rows = [request(0, started_s=2.0, finished_s=2.1), request(1, batch_id=7, started_s=1.0, finished_s=1.2)]
    rows.append(request(2, batch_id=7, started_s=1.0, finished_s=1.2))
    found = batches_of(table_of(rows, REQUESTS))
    assert [b.service_s for b in found] == pytest.approx([0.2, 0.1])


def test_dropped_requests_are_in_no_batch():
    row = {"id": 0, "due_s": 0.0, "queued_s": 0.01, "status": "dropped"}
    assert batches_of(table_of([row], REQUESTS)) == ()


def test_used_core_seconds_are_summed_over_replicas():
    rows = [{"t_s": t, "replica": name, "used_cores": 0.5} for name in ("a", "b") for t in (0.0, 2.0)]
    assert used_core_s(table_of(rows, USAGE)) == pytest.approx(2.0)


def test_paths_are_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert Path(tmp_path) in calibration_path("yolo-n", IDENTITY).parents
