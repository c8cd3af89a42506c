"""How the load driver is started."""

from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.load.driver import LoadDriver, LoadSettings

GIVEN = LoadSettings(
    "http://h:1", Path("p.parquet"), Path("r.arrows"), Path("l.log"), "resnet18", (253, 400, 3), "run-1"
)


def test_the_command_names_an_existing_locustfile() -> None:
    command = GIVEN.command()
    assert Path(command[command.index("-f") + 1]).is_file()


def test_what_was_not_given_is_left_to_the_driver_to_derive() -> None:
    assert not {"--pool", "--timeout-s"} & set(GIVEN.command())


def test_the_same_replay_can_be_aimed_at_another_server() -> None:
    command = GIVEN.at("http://other:2").command()
    assert command[command.index("--host") + 1] == "http://other:2"


def test_a_driver_that_was_not_started_says_so() -> None:
    with pytest.raises(BenchError, match="not started"):
        LoadDriver(GIVEN).wait_ready()


def test_stopping_what_never_started_is_nothing() -> None:
    assert LoadDriver(GIVEN).stop() is None
