"""What a replay is told, and refuses."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from harness.errors import UsageError
from harness.load.schedule import GRACE_S, Schedule, read_schedule
from harness.load.settings import check_new_file, parse_shape, parse_url, replay_settings, spin_lead_s
from harness.tables import PLAN, write_parquet


def plan_file(folder: Path, due_s: list[float]) -> Path:
    due, count = np.array(due_s, dtype=np.float64), len(due_s)
    data = {
        "id": np.arange(count), "client": np.zeros(count, np.int32), "created_s": np.zeros(count), "due_s": due,
        "payload_bytes": np.full(count, 18), "uplink_s": np.full(count, 0.1), "slo_s": np.ones(count),
        "deadline_s": np.ones(count),
    }  # fmt: skip
    write_parquet(folder / "plan.parquet", pa.table(data, schema=PLAN))
    return folder / "plan.parquet"


def schedule(due_s: list[float], longest_slo_s: float = 1.0) -> Schedule:
    zeros = tuple(0.0 for _ in due_s)
    return Schedule(tuple(range(len(due_s))), tuple(0 for _ in due_s), zeros, tuple(due_s), zeros, longest_slo_s)


STEADY = schedule([k / 100 for k in range(1000)])


def test_a_plan_is_replayed_in_order_of_due_time(tmp_path: Path) -> None:
    assert read_schedule(plan_file(tmp_path, [0.3, 0.1, 0.2])).ids == (1, 2, 0)


def test_requests_due_at_once_keep_the_plans_order(tmp_path: Path) -> None:
    assert read_schedule(plan_file(tmp_path, [0.1, 0.1, 0.0])).ids == (2, 0, 1)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.5])
def test_a_due_time_no_clock_can_reach_is_refused_with_file_and_request(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(UsageError, match=r"plan\.parquet: request 1: due_s = "):
        read_schedule(plan_file(tmp_path, [0.1, wrong]))


def test_a_plan_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must have at least one"):
        read_schedule(plan_file(tmp_path, []))


def test_pool_is_the_plans_peak_in_flight_over_the_client_timeout_and_one_more() -> None:
    assert replay_settings(STEADY, "http://h:1", "m", "2,3,3", timeout_s=0.5).pool == 52


def test_client_timeout_is_the_longest_slo_and_a_grace() -> None:
    assert replay_settings(STEADY, "http://h:1", "m", "2,3,3").timeout_s == 1.0 + GRACE_S


def test_a_pool_smaller_than_the_plans_peak_is_refused_with_both_numbers() -> None:
    with pytest.raises(UsageError, match=r"--pool = 51; must be > 51, .* within the 0\.5 s client timeout"):
        replay_settings(STEADY, "http://h:1", "m", "2,3,3", timeout_s=0.5, pool=51)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, math.nan, math.inf])
def test_a_client_timeout_that_is_no_duration_is_refused(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="--timeout-s"):
        replay_settings(STEADY, "http://h:1", "m", "2,3,3", timeout_s=timeout_s)


@pytest.mark.parametrize("url", ["", "h:1", "https://h:1", "http://", "http://h:99999", "http://h:1/path"])
def test_a_url_that_is_no_http_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        parse_url(url)


def test_a_url_without_a_port_means_port_80() -> None:
    assert parse_url("http://example.org/") == ("example.org", 80)


@pytest.mark.parametrize("text", ["", "2,3", "2,3,x", "0,3,3", "2,3,3,3"])
def test_an_image_shape_that_is_not_three_numbers_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--image-shape"):
        parse_shape(text)


def test_spinning_before_requests_never_costs_more_than_a_tenth_of_a_core() -> None:
    assert spin_lead_s(2000.0, 0.0005) * 2000.0 <= 0.1


def test_at_a_low_rate_the_lead_is_as_long_as_waking_may_take() -> None:
    assert spin_lead_s(20.0, 0.0005) == 0.0005


def test_rows_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "r.arrows").touch()
    with pytest.raises(UsageError, match="must name a new file"):
        check_new_file(tmp_path / "r.arrows")


def test_rows_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="existing folder"):
        check_new_file(tmp_path / "none" / "r.arrows")
