"""Service times with factors given in sequence."""

import numpy as np
import pytest

from harness.latency import LatencyModel
from harness.sim.service import ServiceTimes

LATENCY = LatencyModel(0.0, 0.1, 0.0, 0.0)


def times(ratios, factors):
    return ServiceTimes(LATENCY, ratios, np.random.default_rng(1), factors)


def test_each_batch_takes_the_next_factor_and_the_first_follows_the_last():
    service = times({}, (1.0, 2.0, 0.5))
    assert [service.draw_s(1, 1.0) for _ in range(4)] == pytest.approx([0.1, 0.2, 0.05, 0.1])


def test_a_factor_applies_to_what_was_drawn_for_the_cell():
    service = times({(1, 1.0): (1.5,)}, (2.0,))
    assert service.draw_s(1, 1.0) == pytest.approx(0.3)


def test_without_factors_a_batch_takes_what_was_drawn():
    assert times({(1, 1.0): (1.5,)}, ()).draw_s(1, 1.0) == pytest.approx(0.15)
