"""The published series say what the spec of Sponge's evaluation (section 5) says of them."""

import numpy as np
import pytest

from harness.errors import UsageError
from harness.stored.prototype import first_collapse_s
from harness.stored.published import read_published, read_series, step_of


@pytest.fixture(scope="module")
def series():
    return read_published()


def test_sponge_violates_under_0_3_percent(series):
    assert series.sponge_violation_percent.mean() == pytest.approx(0.2875)
    assert len(series.sponge_violation_percent) == 600


def test_sponge_takes_12_73_cores_between_10_and_16(series):
    cores = series.sponge_cores
    assert (round(cores.mean(), 2), cores.min(), cores.max()) == (12.73, 10, 16)


def test_fa2_takes_4_63_replicas(series):
    assert round(series.fa2_replicas.mean(), 2) == 4.63


def test_static_8_collapses_at_second_62(series):
    percent = series.static8_violation_percent
    assert round(percent.mean(), 1) == 86.7
    assert first_collapse_s(percent) == 62.0
    assert percent[-1] == 100.0


def test_sponge_is_counted_in_fortieths_and_static_8_in_twentieths(series):
    assert step_of(series.sponge_violation_percent) == 2.5
    assert step_of(series.static8_violation_percent) == 5.0


def test_a_series_that_skips_a_sample_is_refused(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("sample,cores\n0,1\n2,1\n")
    with pytest.raises(UsageError, match="the first counting 0, 1, 2"):
        read_series(path)


def test_every_second_of_sponge_is_a_whole_number_of_fortieths(series):
    counted = series.sponge_violation_percent * 40 / 100
    np.testing.assert_array_equal(counted, np.round(counted))
