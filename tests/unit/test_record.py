"""What was measured is kept: during the run, at its end, after a crash, and however often one finishes it."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from harness.backends.owner import this_process
from harness.errors import UsageError
from harness.record import Recorder, decision_row, finalise, read_manifest, recover, write_manifest
from harness.tables import DECISIONS, REQUESTS, USAGE, Journal, read_journal, table_of
from harness.types import Allocation, Applied, Decision, Observation, Queued, Usage

READING = Usage(2.0, "replica-0", 1.0, 0.5, 2**30, 0.25)
TARGET = Allocation(2.0, 4)
SEEN = Observation(
    now_s=10.0,
    window_s=5.0,
    allocation=Allocation(1.0, 1),
    recent=tuple(Queued(k, 9.0, 11.0) for k in range(10)),
    queue=(Queued(8, 9.0, 10.5), Queued(9, 9.0, 9.75)),
)


APPLIED = Applied(TARGET, requested_s=10.1, acknowledged_s=10.2, effective_s=10.3, effective_cores=2.0)


def recorded(folder, ticks=(1.0, 2.0), ids=(0, 1)):
    """A folder as a run leaves it just before it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    with Recorder(folder) as recorder, Journal(folder / "requests.arrows", REQUESTS) as requests:
        for tick_s in ticks:
            seen = Observation(tick_s, 5.0, TARGET)
            recorder.decision(seen, Decision(TARGET, "because"), APPLIED, 0.001)
        recorder.usage([READING])
        requests.append([{"id": k, "status": "served"} for k in ids])
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# rows


def test_a_decision_is_kept_with_what_was_seen_wanted_and_done():
    deferred = replace(APPLIED, outcome="deferred", detail="no room")
    assert decision_row(SEEN, Decision(TARGET, "because"), deferred, 0.002) == {
        "tick_s": 10.0, "stage": "main", "target_cores": 2.0, "target_replicas": 1, "target_batch_size": 4,
        "target_variant": "default", "reason": "because", "decide_s": 0.002, "requested_at_s": 10.1,
        "applied_at_s": 10.2, "effective_s": 10.3, "effective_cores": 2.0, "effective_replicas": 1,
        "outcome": "deferred", "detail": "no room",
        "arrival_rate_rps": 2.0, "queue_length": 2, "min_budget_s": -0.25,
    }  # fmt: skip


def test_an_empty_queue_has_no_least_budget():
    row = decision_row(Observation(1.0, 5.0, TARGET), Decision(TARGET, ""), APPLIED, 0.0)
    assert (row["min_budget_s"], row["queue_length"], row["arrival_rate_rps"]) == (None, 0, 0.0)


def test_a_decision_row_has_every_column_of_its_table():
    row = decision_row(SEEN, Decision(TARGET, ""), APPLIED, 0.0)
    assert list(row) == DECISIONS.names


# during and after the run


def test_decisions_and_usage_are_on_disk_while_the_run_goes_on(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.decision(SEEN, Decision(TARGET, ""), APPLIED, 0.0)
        recorder.usage([READING])
        assert read_journal(tmp_path / "decisions.arrows", DECISIONS).num_rows == 1
        assert read_journal(tmp_path / "usage.arrows", USAGE)["memory_bytes"].to_pylist() == [2**30]


def test_finishing_turns_journals_into_parquet(tmp_path):
    finalise(recorded(tmp_path))
    assert sorted(contents(tmp_path)) == ["decisions.parquet", "requests.parquet", "usage.parquet"]


def test_finishing_sorts_requests_by_id_and_decisions_by_tick(tmp_path):
    tables = finalise(recorded(tmp_path, ticks=(2.0, 1.0), ids=(3, 1, 2)))
    assert tables["requests"]["id"].to_pylist() == [1, 2, 3]
    assert tables["decisions"]["tick_s"].to_pylist() == [1.0, 2.0]


def test_finishing_returns_what_it_wrote(tmp_path):
    tables = finalise(recorded(tmp_path))
    for name, table in tables.items():
        assert pq.read_table(tmp_path / f"{name}.parquet").to_pylist() == table.to_pylist()


def test_finishing_twice_changes_nothing(tmp_path):
    first = finalise(recorded(tmp_path))
    before = contents(tmp_path)
    second = finalise(tmp_path)
    assert contents(tmp_path) == before
    assert {k: t.to_pylist() for k, t in first.items()} == {k: t.to_pylist() for k, t in second.items()}


def test_finishing_a_folder_without_journals_gives_empty_tables(tmp_path):
    tables = finalise(tmp_path)
    assert [t.num_rows for t in tables.values()] == [0, 0, 0]
    assert tables["requests"].schema.equals(REQUESTS)


def test_finishing_again_after_a_crash_between_parquet_and_journal_changes_nothing(tmp_path):
    recorded(tmp_path)
    journal = (tmp_path / "requests.arrows").read_bytes()
    finalise(tmp_path)
    (tmp_path / "requests.arrows").write_bytes(journal)
    assert finalise(tmp_path)["requests"]["id"].to_pylist() == [0, 1]


def test_finishing_a_torn_journal_keeps_its_whole_batches(tmp_path):
    recorded(tmp_path)
    with Journal(tmp_path / "requests.arrows", REQUESTS) as requests:
        requests.append([{"id": 0}])
        whole_bytes = (tmp_path / "requests.arrows").stat().st_size
        requests.append([{"id": 1}])
    torn = (tmp_path / "requests.arrows").read_bytes()[: whole_bytes + 20]
    (tmp_path / "requests.arrows").write_bytes(torn)
    assert finalise(tmp_path)["requests"]["id"].to_pylist() == [0]


# manifest


def test_a_manifest_is_read_back_with_its_schema_version(tmp_path):
    write_manifest(tmp_path, {"state": "done", "seed": 3})
    assert read_manifest(tmp_path) == {"schema_version": 1, "state": "done", "seed": 3}


def test_a_manifest_is_never_half_written(tmp_path):
    write_manifest(tmp_path, {"state": "running"})
    with pytest.raises(TypeError):
        write_manifest(tmp_path, {"state": object()})
    assert read_manifest(tmp_path)["state"] == "running"


def test_a_number_json_does_not_have_is_no_fact_for_a_manifest(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(tmp_path, {"lag_s": float("nan")})


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "no such file"), (b"{", "not valid JSON"), (b"\xff", "not valid JSON"), (b"[]", "object")],
)
def test_a_manifest_that_cannot_be_read_is_named(tmp_path, content, told):
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UsageError, match=rf"manifest\.json: .*{told}"):
        read_manifest(tmp_path)


# recovery


def killed(results, name="run-1", state="running"):
    folder = recorded(results / "smoke" / name / "sponge" / "seed-1")
    write_manifest(folder, {"state": state, "seed": 1})
    return folder


def test_recovery_finishes_what_a_killed_harness_left(tmp_path):
    folder = killed(tmp_path)
    assert recover(tmp_path) == [folder]
    assert sorted(contents(folder)) == [
        "decisions.parquet", "manifest.json", "requests.parquet", "usage.parquet"
    ]  # fmt: skip


def test_recovery_marks_the_run_as_interrupted_and_invalid_and_keeps_its_facts(tmp_path):
    folder = killed(tmp_path)
    recover(tmp_path)
    manifest = read_manifest(folder)
    assert (manifest["state"], manifest["valid"], manifest["seed"]) == ("interrupted", False, 1)
    assert manifest["invalid_reasons"] == ["the harness was killed before the run ended"]


def test_recovery_finds_a_run_killed_after_its_rows_but_before_its_manifest(tmp_path):
    folder = killed(tmp_path)
    finalise(folder)
    assert recover(tmp_path) == [folder]
    assert read_manifest(folder)["state"] == "interrupted"


def test_recovery_of_rows_without_a_manifest_writes_one(tmp_path):
    folder = killed(tmp_path)
    (folder / "manifest.json").unlink()
    recover(tmp_path)
    assert read_manifest(folder)["state"] == "interrupted"


def test_recovery_twice_finds_nothing_the_second_time(tmp_path):
    killed(tmp_path)
    recover(tmp_path)
    assert recover(tmp_path) == []


def test_recovery_leaves_finished_runs_alone(tmp_path):
    folder = killed(tmp_path, state="done")
    finalise(folder)
    before = contents(folder)
    assert (recover(tmp_path), contents(folder)) == ([], before)


def test_recovery_of_nothing_finds_nothing(tmp_path):
    assert recover(tmp_path / "nowhere") == []


def test_a_manifest_is_plain_json_with_sorted_keys(tmp_path):
    write_manifest(tmp_path, {"b": 1, "a": 2})
    text = (tmp_path / "manifest.json").read_text()
    assert list(json.loads(text)) == ["a", "b", "schema_version"]
    assert text.endswith("}\n")


def test_a_reading_becomes_a_row_of_usage(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.usage([READING])
    expected = table_of([{name: getattr(READING, name) for name in USAGE.names}], USAGE)
    assert finalise(tmp_path)["usage"].equals(expected)


def test_a_folder_whose_harness_still_runs_is_left_alone(tmp_path):
    folder = tmp_path / "scenario" / "run" / "system" / "seed-1"
    folder.mkdir(parents=True)
    write_manifest(folder, {"state": "running", "owner": this_process().text()})
    assert recover(tmp_path) == []
