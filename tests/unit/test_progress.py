"""How far a run is, from folders at every stage of being written."""

import io
import json

import pyarrow as pa
import pytest
from rich.console import Console

from harness.cli.status import bars, follow, headline, held, render
from harness.progress import read_run, read_session
from harness.tables import DECISIONS, REQUESTS, Journal, table_of, write_parquet

ALIVE, DEAD = (lambda _: True), (lambda _: False)


def request(number, received_s, status="served"):
    times = {"created_s": float(number), "deadline_s": number + 1.0, "received_s": received_s}
    return {"id": number, "client": 0, "status": status, **times}


def decision(tick_s, cores, queue=0, budget_s=None):
    return {
        "tick_s": tick_s,
        "effective_s": tick_s,
        "effective_cores": cores,
        "effective_replicas": 1,
        "target_batch_size": 2,
        "target_replicas": 1,
        "arrival_rate_rps": 7.5,
        "queue_length": queue,
        "min_budget_s": budget_s,
    }


@pytest.fixture
def session(tmp_path):
    """Makes the folder of a session; the manifest says `running` unless told otherwise."""

    def make(system="tested", seed=1, **differences):
        folder = tmp_path / "quick" / "run-1" / system / f"seed-{seed}"
        folder.mkdir(parents=True)
        manifest = {
            "state": "running",
            "owner": "host/1/2.00",
            "scenario": {"name": "quick", "plan": {"duration_s": 10.0}},
            "plan": {"planned": 10},
            "start": {"cores": 1.5, "replicas": 1, "batch_size": 1},
            "backend": {"backend": "process"},
            "started_utc": f"2026-01-01T00:00:0{seed}+00:00",
            "asked": {"systems": ["tested", "other"], "seeds": [1]},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest | differences), encoding="utf-8")
        return folder

    return make


def done(**differences):
    ending = {"state": "done", "valid": True, "ended_utc": "2026-01-01T00:00:21+00:00", "invalid_reasons": []}
    return ending | differences


def write_journals(folder):
    with Journal(folder / "requests.arrows", REQUESTS) as requests:
        requests.append([request(0, 0.5), request(1, 2.5)])
        requests.append([request(2, 2.75, status="dropped")])
    with Journal(folder / "decisions.arrows", DECISIONS) as decisions:
        decisions.append([decision(1.0, 1.5), decision(2.0, 0.5, queue=3, budget_s=0.25)])


def tear(path, by=200):
    path.write_bytes(path.read_bytes()[:-by])


def text_of(renderable):
    console = Console(width=160, record=True, file=None, quiet=True)
    with console.capture() as captured:
        console.quiet = False
        console.print(renderable)
    return captured.get()


def test_a_session_that_wrote_nothing_yet_is_starting(session):
    found = read_session(session(), ALIVE)
    assert (found.state, found.answered, found.cores) == ("starting", 0, 1.5)


def test_a_session_with_rows_is_running_and_counts_them(session):
    folder = session()
    write_journals(folder)
    found = read_session(folder, ALIVE)
    assert (found.state, found.answered, found.planned, found.violations) == ("running", 3, 10, 2)


def test_the_last_decision_tells_cores_batch_queue_and_rate(session):
    folder = session()
    write_journals(folder)
    found = read_session(folder, ALIVE)
    assert (found.cores, found.batch_size, found.queue_length, found.rate_rps) == (0.5, 2, 3, 7.5)


def test_a_half_written_journal_is_read_up_to_its_last_whole_batch(session):
    folder = session()
    write_journals(folder)
    tear(folder / "requests.arrows")
    assert read_session(folder, ALIVE).answered == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff\x10\x01"], ids=["empty", "torn header"])
def test_a_journal_without_a_whole_header_is_no_rows(session, content):
    folder = session()
    (folder / "requests.arrows").write_bytes(content)
    assert read_session(folder, ALIVE).answered == 0


def test_a_half_written_manifest_is_none(session):
    folder = session()
    (folder / "manifest.json").write_text('{"state": "runn', encoding="utf-8")
    assert read_session(folder, ALIVE).planned == 0


def test_reading_changes_nothing(session):
    folder = session()
    write_journals(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    read_run(folder.parents[1], ALIVE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_session_whose_harness_is_gone_was_interrupted(session):
    assert read_session(session(), DEAD).state == "interrupted"


def test_a_finished_session_is_read_from_its_parquet(session):
    folder = session(**done())
    write_parquet(folder / "requests.parquet", table_of([request(0, 0.5)], REQUESTS))
    found = read_session(folder, DEAD)
    assert (found.state, found.answered) == ("done", 1)


def test_an_invalid_session_says_why(session):
    found = read_session(session(**done(valid=False, invalid_reasons=["lag"])), DEAD)
    assert (found.state, found.reasons) == ("invalid", ("lag",))


def test_a_run_is_not_over_between_two_of_its_sessions(session):
    assert not read_run(session(**done()).parents[1], ALIVE).is_over


def test_a_run_is_over_when_all_that_was_asked_for_has_ended(session):
    session("other", 2, **done())
    assert read_run(session(**done()).parents[1], ALIVE).is_over


def test_a_run_is_over_when_its_harness_is_gone(session):
    assert read_run(session(**done()).parents[1], DEAD).is_over


def test_a_run_of_old_that_does_not_say_what_was_asked_for_is_over_when_nothing_runs(session):
    assert read_run(session(**done(asked={})).parents[1], ALIVE).is_over


def test_the_time_left_is_that_of_the_sessions_to_come_as_long_as_the_last_took(session):
    assert read_run(session(**done()).parents[1], ALIVE).left_s() == 20.0


def test_the_time_left_of_a_simulated_run_is_not_guessed(session):
    assert read_run(session(backend={"backend": "simulated"}).parents[1], ALIVE).left_s() is None


def test_the_headline_says_how_many_sessions_are_to_come(session):
    text = headline(read_run(session(**done()).parents[1], ALIVE))
    assert text == "quick run-1 (process): running, 1 of 2 sessions ended, about 0:20 left"


def test_a_stopped_run_is_not_called_over(session):
    assert "stopped, 1 of 2" in headline(read_run(session().parents[1], DEAD))


def test_the_table_shows_violations_rate_cores_and_queue(session):
    folder = session()
    write_journals(folder)
    line = next(line for line in text_of(render(read_run(folder.parents[1], ALIVE))).splitlines() if "tested" in line)
    assert line.split() == ["tested", "1", "running", "3/10", "3/10", "2", "66.67%", "7.5", "0.5", "2", "3", "250"]


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    assert "nothing written yet" in text_of(render(read_run(tmp_path, ALIVE)))


def test_watching_ends_when_the_run_has_ended(session):
    session("other", 2, **done())
    state = follow(session(**done()).parents[1], Console(quiet=True), every_s=3600.0)
    assert state.is_over


def test_watching_into_a_file_ends_its_last_line(session):
    session("other", 2, **done())
    console = Console(file=io.StringIO(), width=150)
    follow(session(**done()).parents[1], console, every_s=3600.0)
    assert console.file.getvalue().endswith("\n")


def test_the_bar_of_a_running_session_ends_its_line(session):
    folder = session()
    write_journals(folder)
    assert text_of(render(read_run(folder.parents[1], ALIVE))).endswith("\n")


def test_a_bar_without_a_decision_holds_the_one_before():
    assert held(pa.array([0, 2, 2]).to_numpy(), pa.array([1.0, 3.0, 2.0]).to_numpy())[:4].tolist() == [
        1.0,
        1.0,
        3.0,
        3.0,
    ]


def test_what_is_not_zero_is_never_drawn_as_nothing():
    assert bars(pa.array([0.0, 0.001, 1.0]).to_numpy()) == " ▁█"
