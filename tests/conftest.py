"""What all tests share: Docker tests are skipped where no engine answers, and fail there when one is required."""

import os
from functools import cache

import pytest

from harness.backends.containers import engine_reason

REQUIRED = "SPONGE_BENCH_REQUIRE_DOCKER"


@cache
def no_engine_because() -> str | None:
    return engine_reason()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and (reason := no_engine_because()):
        if os.environ.get(REQUIRED):
            pytest.fail(f"{reason}, and {REQUIRED} is set", pytrace=False)
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.skipped and item.get_closest_marker("docker") and os.environ.get(REQUIRED):
        report.outcome, report.longrepr = "failed", f"a Docker test was skipped although {REQUIRED} is set"
    return report
