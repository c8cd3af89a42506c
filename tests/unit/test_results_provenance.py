"""Generated traces are called so, and what stands in for a measured one louder than what a scenario asked for."""

import pytest

from harness.results.provenance import generated_traces, trace_note
from harness.types import BY_NAME

MEASURED = {"name": "ghent-4g/bus_0001", "synthetic_because": ""}
STANDS_IN = {"name": "synthetic-ghent-4g/bus_0001", "synthetic_because": "no network"}
ASKED_FOR = {"name": "synthetic-5gophers/car-1", "synthetic_because": BY_NAME}


def manifest(*traces):
    return {"traces": list(traces)}


@pytest.mark.parametrize("facts", [{}, {"traces": None}, manifest(), manifest(MEASURED)])
def test_of_measured_traces_nothing_is_said(facts):
    assert (generated_traces(facts), trace_note([facts])) == ({}, "")


def test_a_stand_in_is_called_synthetic_with_its_reason_once():
    note = trace_note([manifest(MEASURED, STANDS_IN), manifest(STANDS_IN)])
    assert note == "SYNTHETIC, in place of measured traces: synthetic-ghent-4g/bus_0001 (no network)"


def test_a_trace_that_was_asked_for_is_no_stand_in():
    note = trace_note([manifest(ASKED_FOR, STANDS_IN)])
    assert note.startswith("SYNTHETIC, in place of measured traces: synthetic-ghent-4g/bus_0001 (no network); ")
    assert note.endswith("generated traces, as the scenario asks: synthetic-5gophers/car-1")
