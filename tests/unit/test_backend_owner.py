"""Whose a thing is, and whether its owner still lives."""

import os
from dataclasses import replace

import pytest

from harness.backends.leftovers import Leftover
from harness.backends.owner import (
    ENV_OWNER,
    LABEL_OWNER,
    Owner,
    own_name,
    parse_own_name,
    parse_owner,
    run_environment,
    run_labels,
    this_process,
)


def test_this_process_lives():
    assert this_process().is_alive()


def test_a_process_that_started_at_another_time_is_another_process():
    assert not replace(this_process(), started_s=1.0).is_alive()


def test_a_process_id_nobody_has_is_dead():
    assert not replace(this_process(), pid=2**22 + 1).is_alive()


def test_a_process_of_another_host_counts_as_alive():
    assert Owner("elsewhere", 2**22 + 1, 1.0).is_alive()


def test_an_owner_survives_writing_and_reading():
    owner = Owner("host", 12, 34.5)
    assert parse_owner(owner.text()) == owner


@pytest.mark.parametrize("text", ["", "host", "host/x/1", "host/1/"])
def test_a_text_that_names_no_owner_gives_none(text):
    assert parse_owner(text) is None


def test_labels_and_environment_name_the_same_owner():
    owner = this_process()
    assert run_labels("r", owner)[LABEL_OWNER] == run_environment("r", owner)[ENV_OWNER]


def test_a_folder_name_gives_back_run_and_owner():
    owner = this_process()
    run_id, found = parse_own_name(own_name("run-1", owner))
    assert (run_id, found is not None and found.pid, found is not None and found.is_alive()) == (
        "run-1",
        os.getpid(),
        True,
    )


def test_a_strange_folder_name_has_no_owner():
    assert parse_own_name("something") == ("something", None)


def leftover(owner: Owner | None) -> Leftover:
    return Leftover("process", "1", "r", owner, lambda: None)


def test_what_a_dead_owner_had_is_left():
    assert leftover(replace(this_process(), started_s=1.0)).is_left


def test_what_a_live_owner_has_is_not_left():
    assert not leftover(this_process()).is_left


def test_what_says_no_owner_is_not_left():
    assert not leftover(None).is_left
