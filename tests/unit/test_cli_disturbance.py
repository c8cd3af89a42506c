"""What is said of other runs on the machine before one begins."""

from dataclasses import replace

import pytest

from harness.backends.leftovers import Leftover
from harness.backends.owner import this_process
from harness.cli.disturbance import company

ANOTHER = replace(this_process(), host="elsewhere", pid=7)  # a process of another host counts as alive
GONE = replace(this_process(), started_s=1.0)


def thing(owner, run_id="run-1"):
    return Leftover("container", "gateway", run_id, owner, lambda: None)


def test_a_run_of_another_process_is_named_once():
    found = company([thing(ANOTHER), thing(ANOTHER)], this_process())
    assert [line.split(":")[1] for line in found] == [" run run-1 is under way here, too (process 7)"]


@pytest.mark.parametrize("owner", [None, GONE, this_process()], ids=["nobody's", "of a dead process", "our own"])
def test_what_is_no_other_run_is_not_mentioned(owner):
    assert company([thing(owner)], this_process()) == []
