"""Work in several processes ends when its consumer wants it to, whatever the processes are doing."""

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from harness.errors import BenchError
from harness.run.side_by_side import side_by_side

FOREVER, DIE, FAIL = partial(signal.pause), partial(os._exit, 1), partial(int, "six")


def doubled(number):
    return partial(operator.mul, 2, number)


def test_every_job_comes_back_with_its_result():
    jobs = [doubled(number) for number in (1, 2, 3)]
    assert sorted(result for _, result in side_by_side(operator.call, jobs, 2)) == [2, 4, 6]


def test_a_consumer_that_stops_ends_the_processes_in_the_middle_of_their_work():
    before = set(multiprocessing.active_children())
    running = side_by_side(operator.call, [doubled(1), FOREVER, FOREVER], 2)
    next(running)
    running.close()
    assert not set(multiprocessing.active_children()) - before


def test_an_interrupt_ends_the_processes_in_the_middle_of_their_work():
    before = set(multiprocessing.active_children())
    running = side_by_side(operator.call, [doubled(1), FOREVER, FOREVER], 2)
    next(running)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert not set(multiprocessing.active_children()) - before


def test_an_error_of_one_job_is_raised_and_ends_the_others():
    with pytest.raises(ValueError, match="six"):
        list(side_by_side(operator.call, [FAIL, FOREVER], 2))


def test_a_process_that_dies_is_a_failure_in_one_line():
    with pytest.raises(BenchError, match="one of 2 processes died"):
        list(side_by_side(operator.call, [DIE, FOREVER], 2))


WORKING = """
import os, signal
from harness.run.side_by_side import side_by_side

def work(number):
    print(os.getpid(), flush=True)
    signal.pause()

if __name__ == "__main__":
    list(side_by_side(work, [1, 2], 2))
"""


def test_processes_do_not_outlive_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "working.py"
    script.write_text(WORKING)
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=place) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline_s = time.monotonic() + 30.0
    while any(psutil.pid_exists(pid) for pid in workers):
        assert time.monotonic() < deadline_s, f"still there: {workers}"
        time.sleep(0.05)
