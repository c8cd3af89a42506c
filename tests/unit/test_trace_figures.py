"""What the figures show, asked of the figures themselves."""

import numpy as np
import pytest

from harness.figures.traces import draw_arrivals, draw_cdfs, draw_remaining_slo, draw_trace, save_figure
from harness.traces.model import ArrivalTrace, BandwidthTrace, Provenance

NET = BandwidthTrace("net", np.array([0.0, 10.0, 15.0]), np.array([8e6, 0.0, 4e6]), 20.0)


def test_bandwidth_stands_above_the_remaining_slo_on_one_time_axis():
    upper, lower = draw_remaining_slo(NET, [100_000, 200_000], 1.0).axes
    assert upper.get_ylabel() == "bandwidth (Mbit/s)"
    assert lower.get_ylabel() == "remaining of 1000 ms SLO (ms)"
    assert upper.get_xlim() == lower.get_xlim()


def test_the_remaining_slo_is_what_the_upload_leaves_and_never_below_zero():
    lower = draw_remaining_slo(NET, [100_000], 1.0).axes[1]
    created_s, left_ms = lower.lines[0].get_data()
    np.testing.assert_allclose(left_ms[created_s < 9.0], 900.0)
    np.testing.assert_allclose(left_ms[(created_s > 10.0) & (created_s < 13.0)], 0.0)


def test_the_legend_says_how_often_nothing_is_left():
    figure = draw_remaining_slo(NET, [100_000, 100], 1.0)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0].startswith("100 kB (nothing left 2")


def test_an_outage_is_shaded():
    assert draw_trace(NET).axes[0].get_title(loc="left") == "net (measured downlink, outages shaded)"


def test_a_generated_trace_says_so_in_its_title():
    made = BandwidthTrace(
        "synthetic-x", NET.times_s, NET.bits_per_s, 20.0, provenance=Provenance(synthetic_because="y")
    )
    assert "generated, not a measurement" in draw_trace(made).axes[0].get_title(loc="left")


def test_a_distribution_ends_at_one_and_names_the_outage():
    figure = draw_cdfs({"4G": [NET]})
    assert figure.axes[0].lines[0].get_ydata()[-1] == pytest.approx(1.0)
    assert figure.legends[0].get_texts()[0].get_text() == "4G\n0.0 h in 1 traces, outage 25.0%"


def test_days_are_the_unit_of_long_arrivals():
    trace = ArrivalTrace("long", 259_200.0, counts=np.full(259_200, 3))
    assert draw_arrivals(trace).axes[0].get_xlabel() == "time (days)"


def test_instants_are_drawn_as_counts(tmp_path):
    trace = ArrivalTrace("few", 4.0, times_s=np.array([0.5, 1.0, 3.25]))
    save_figure(draw_arrivals(trace), tmp_path / "deep" / "few.svg")
    assert "<svg" in (tmp_path / "deep" / "few.svg").read_text()
