"""Steps done once: what is finished stays, what was interrupted is begun again, what changed is done anew."""

import contextlib
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BenchError, UsageError
from harness.run.code import digest_of
from harness.steps.pace import Pace
from harness.steps.steps import Ledger, Step, do_steps, keys_of, time_left

NAMES = ("a", "b", "c")


class Work:
    """Three steps in a row, b in ten parts; counts what was done, and stops where it is told to."""

    def __init__(self, folder, stop_at=None, inputs=None):
        self.folder = folder
        self.done = Counter()
        self.stop_at = stop_at
        self.inputs = inputs or dict.fromkeys(NAMES, "same")
        self.said = []

    def do(self, name):
        def work(_key, advance):
            for part in range(10 if name == "b" else 1):
                self.part(name, part)
                advance(1.0)

        return work

    def part(self, name, part):
        """A part that is on disk is not done again, as a sweep's points are not."""
        if (name, part) == self.stop_at:
            raise KeyboardInterrupt
        file = self.folder / f"{name}-{part}-{self.inputs[name]}"
        if not file.exists():
            self.done[name, part] += 1
            file.write_text("")

    def steps(self):
        return [
            Step(name, name, self.inputs[name], self.do(name), NAMES[:at], 10.0 if name == "b" else 1.0)
            for at, name in enumerate(NAMES)
        ]

    def run(self):
        return do_steps(self.steps(), Ledger.read(self.folder / "steps.json"), self.said.append)


def test_a_second_time_nothing_is_done(tmp_path):
    assert Work(tmp_path).run() == ["a", "b", "c"]
    again = Work(tmp_path)
    assert again.run() == []
    assert not again.done


@pytest.mark.parametrize("stop_at", [("a", 0), ("b", 0), ("b", 4), ("b", 9), ("c", 0)])
def test_interrupted_anywhere_and_started_again_nothing_finished_is_lost_or_done_twice(tmp_path, stop_at):
    first = Work(tmp_path, stop_at)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    second = Work(tmp_path)
    second.run()
    assert first.done + second.done == Counter([("a", 0), ("c", 0), *(("b", part) for part in range(10))])


@given(stops=st.lists(st.sampled_from([("a", 0), *(("b", part) for part in range(10)), ("c", 0)]), max_size=4))
def test_interrupted_as_often_as_one_likes_every_part_is_done_once(tmp_path_factory, stops):
    folder = tmp_path_factory.mktemp("steps")
    total = Counter()
    for stop_at in [*stops, None]:
        work = Work(folder, stop_at)
        with contextlib.suppress(KeyboardInterrupt):
            work.run()
        total += work.done
    assert set(total.values()) == {1}
    assert len(total) == 12


def test_a_step_whose_inputs_changed_is_done_anew_with_all_that_need_it(tmp_path):
    Work(tmp_path).run()
    assert Work(tmp_path, inputs={"a": "same", "b": "other", "c": "same"}).run() == ["b", "c"]


def test_a_step_whose_output_is_gone_is_done_anew(tmp_path):
    output = tmp_path / "out"
    step = Step("a", "a", "", lambda _key, _advance: output.write_text(""), outputs=(output,))
    ledger = Ledger(tmp_path / "steps.json")
    assert do_steps([step], ledger, str) == ["a"]
    output.unlink()
    assert do_steps([step], ledger, str) == ["a"]


def test_a_step_that_fails_is_not_done(tmp_path):
    def fail(_key, _advance):
        raise BenchError("no")

    with pytest.raises(BenchError):
        do_steps([Step("a", "a", "", fail)], Ledger(tmp_path / "steps.json"), str)
    assert not (tmp_path / "steps.json").exists()


def test_the_time_left_is_unknown_at_first_and_told_after_that(tmp_path):
    work = Work(tmp_path)
    work.run()
    assert work.said[0].endswith("3 to do, time left unknown")
    assert "about" in work.said[-3]
    assert work.said[-1].endswith("nothing left")


def test_work_an_interruption_left_behind_counts_as_neither_done_nor_to_do():
    nothing = lambda _key, _advance: None  # noqa: E731
    whole, rest = Step("a", "a", "", nothing, work=10.0), Step("b", "b", "", nothing, work=10.0, left=lambda _key: 2.0)
    assert (whole.to_do(""), rest.to_do("")) == (10.0, 2.0)
    pace = Pace(whole.to_do("") + rest.to_do(""))
    pace.add(2.0, 6.0)
    assert pace.left_s() == 30.0


def test_steps_of_unknown_length_are_counted_beside_the_time_left():
    nothing = lambda _key, _advance: None  # noqa: E731
    short, long = Step("a", "a", "", nothing), Step("b", "b", "", nothing, work=10.0)
    pace = Pace(10.0)
    assert time_left(pace, [long, short]) == "time left unknown and 1 step of unknown length"
    pace.add(5.0, 60.0)
    assert time_left(pace, [long, short, short]) == "about 1:00 left and 2 steps of unknown length"
    pace.add(5.0, 60.0)
    assert time_left(pace, [short]) == "1 step of unknown length left"


def test_a_step_must_come_after_what_it_needs():
    with pytest.raises(BenchError, match="step a needs b, which does not come before it"):
        keys_of([Step("a", "a", "", lambda _key, _advance: None, needs=("b",))])


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9, "done": {}}'])
def test_a_file_that_is_no_ledger_is_refused(tmp_path, text):
    path = tmp_path / "steps.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"steps\.json"):
        Ledger.read(path)


def test_the_ledger_says_when_and_how_long(tmp_path):
    Work(tmp_path).run()
    done = json.loads((tmp_path / "steps.json").read_text())["done"]
    assert set(done["a"]) == {"key", "ended_utc", "wall_s", "work"}


def test_a_digest_changes_with_any_byte_and_any_fact(tmp_path):
    file = Path(tmp_path / "x")
    file.write_text("1")
    one = digest_of([file], {"numpy": "2"})
    assert one != digest_of([file], {"numpy": "3"})
    file.write_text("2")
    assert one != digest_of([file], {"numpy": "2"})
