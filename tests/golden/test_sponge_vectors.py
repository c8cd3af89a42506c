"""The conformance vectors of Sponge: YOLOv5s, 20 requests/s, headroom 0.9, at most 16 cores and batch 8."""

import json
from functools import cache

import pytest
from typer.main import get_command

from harness.cli import app
from harness.policy.published import PublishedProblem, solve_by_enumeration, solve_by_integer_program
from harness.published import published_model

# highest remaining SLO, lowest, then cores, batch, whole ms
VECTORS = [
    (1000, 995, 9, 4, 179), (994, 980, 9, 5, 220), (979, 970, 10, 4, 174), (969, 952, 10, 5, 213),
    (951, 945, 11, 4, 169), (944, 928, 11, 5, 207), (927, 925, 12, 4, 165), (924, 908, 12, 5, 202),
    (907, 892, 13, 5, 198), (891, 876, 14, 5, 194), (875, 864, 15, 5, 191), (863, 856, 16, 5, 189),
]  # fmt: skip
EXPECTED: dict[int, tuple[int, int, int] | None] = {
    remaining_ms: (cores, batch, latency_ms)
    for highest, lowest, cores, batch, latency_ms in VECTORS
    for remaining_ms in range(lowest, highest + 1)
} | dict.fromkeys(range(800, 856))
EDGES = sorted({ms for high, low, *_ in VECTORS for ms in (high, low)} | {855, 800}, reverse=True)
COMMAND = "solve --rule published --profile yolov5s --rate 20 --slo-ms 1000 --headroom 0.9 --max-cores 16 --max-batch 8"


def problem(remaining_ms: float) -> PublishedProblem:
    return PublishedProblem(published_model("yolov5s"), 20, remaining_ms, 1000, 0.9, range(1, 17), 8)


def as_tuple(choice):
    return None if choice is None else (choice.cores, choice.batch, choice.latency_ms)


@cache
def command():
    return get_command(app)


@pytest.fixture
def printed(capsys):
    """What `sponge-bench solve` prints for a remaining SLO."""

    def run(remaining_ms, *more):
        command().main([*COMMAND.split(), f"--remaining-ms={remaining_ms}", *more], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_table_names_every_millisecond_from_1000_to_800():
    assert sorted(EXPECTED) == list(range(800, 1001))


@pytest.mark.parametrize("remaining_ms", EXPECTED)
def test_enumeration_chooses_what_was_published(remaining_ms):
    assert as_tuple(solve_by_enumeration(problem(remaining_ms))) == EXPECTED[remaining_ms]


@pytest.mark.parametrize("remaining_ms", EDGES)
def test_the_integer_program_chooses_what_was_published(remaining_ms):
    assert as_tuple(solve_by_integer_program(problem(remaining_ms))) == EXPECTED[remaining_ms]


@pytest.mark.parametrize("remaining_ms", EXPECTED)
def test_the_command_prints_what_was_published(printed, remaining_ms):
    expected = EXPECTED[remaining_ms]
    keys = ("cores", "batch", "latency_ms")
    shown = None if expected is None else dict(zip(keys, expected, strict=True))
    assert json.loads(printed(remaining_ms)) == shown


def test_the_command_prints_whole_cores_without_a_decimal_point(printed):
    assert printed(914) == '{"cores": 12, "batch": 5, "latency_ms": 202}\n'


def test_the_terms_typed_in_choose_what_the_named_profile_chooses(printed):
    assert printed(914, "--latency-params-ms=140.4352,25.2388,-50.8415,22.1359") == printed(914)


def test_the_command_solves_the_same_with_the_integer_program(printed):
    assert printed(914, "--method", "pulp") == printed(914)


@pytest.mark.parametrize("remaining_ms", [0, -250, -1e9])
def test_a_budget_that_is_already_spent_is_infeasible(printed, remaining_ms):
    assert printed(remaining_ms) == "null\n"
