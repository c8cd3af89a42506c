"""`sponge-bench solve` answers with one JSON object, and bad input with one line and exit code 2."""

import json
import signal
import sys

import pytest

from harness.cli import main


@pytest.fixture
def solve(capsys, monkeypatch):
    """(exit code, standard output, standard error) of the command as a user runs it."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sponge-bench", "solve", *arguments])
        monkeypatch.delenv("SPONGE_BENCH_DEBUG", raising=False)
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    yield run
    signal.signal(signal.SIGTERM, before)


def test_the_issue_s_own_example_gives_its_own_answer(solve):
    code, out, _ = solve(
        *["--rule", "published", "--profile", "yolov5s", "--rate", "20", "--remaining-ms", "914"],
        *["--slo-ms", "1000", "--headroom", "0.9", "--max-cores", "16", "--max-batch", "8"],
    )
    assert (code, out) == (0, '{"cores": 12, "batch": 5, "latency_ms": 202}\n')


def test_infeasible_is_an_answer_and_no_failure(solve):
    assert solve("--remaining-ms", "500")[:2] == (0, "null\n")


def test_a_negative_remaining_slo_is_a_fact_and_no_mistake(solve):
    assert solve("--remaining-ms", "-100")[:2] == (0, "null\n")


def test_no_requests_need_the_smallest_allocation(solve):
    assert json.loads(solve("--remaining-ms", "1000", "--rate", "0")[1]) == {"cores": 1, "batch": 1, "latency_ms": 136}


def test_fractional_grids_are_printed_as_people_write_them(solve):
    grid = ["--min-cores", "0.1", "--max-cores", "1.6", "--core-step", "0.1"]
    out = solve("--remaining-ms", "1000", "--rate", "5", *grid, "--latency-params-ms", "14,2.5,0,2")[1]
    assert json.loads(out) == {"cores": 0.1, "batch": 1, "latency_ms": 144}


def test_another_latency_model_takes_the_place_of_the_profile(solve):
    out = solve("--remaining-ms", "1000", "--rate", "1", "--latency-params-ms", "100,0,0,0")[1]
    assert json.loads(out) == {"cores": 1, "batch": 1, "latency_ms": 100}


def test_both_methods_print_the_same(solve):
    assert solve("--remaining-ms", "900", "--method", "pulp") == solve("--remaining-ms", "900")


BAD = [
    (["--rate", "-1"], "rate = -1.0; must be >= 0"),
    (["--rate", "nan"], "rate = nan; must be a finite number"),
    (["--rate", "inf"], "rate = inf; must be a finite number"),
    (["--remaining-ms", "nan"], "remaining_ms = nan; must be a finite number"),
    (["--slo-ms", "0"], "slo_ms = 0.0; must be > 0"),
    (["--headroom", "1.1"], "headroom = 1.1; must be in (0, 1]"),
    (["--headroom", "0"], "headroom = 0.0; must be in (0, 1]"),
    (["--max-batch", "0"], "max_batch = 0; must be within 1..1024"),
    (["--min-cores", "0"], "min_cores = 0.0; must be > 0"),
    (["--max-cores", "0.5"], "max_cores = 0.5; must be >= min_cores = 1.0"),
    (["--max-cores", "inf"], "max_cores = inf; must be > 0 and finite"),
    (["--max-cores", "nan"], "max_cores = nan; must be > 0"),
    (["--core-step", "0"], "step_cores = 0.0; must be > 0"),
    (["--core-step", "1e-9"], "step_cores = 1e-09; must make at most 10000 steps"),
    (["--profile", "yolo5s"], "unknown profile 'yolo5s'; did you mean 'yolov5s'?"),
    (["--latency-params-ms", "1,2,3"], "must be four numbers: gamma,delta,epsilon,eta"),
    (["--latency-params-ms", "1,2,3,x"], "must be four numbers"),
    (["--latency-params-ms", "1,2,3,nan"], "must be a finite number"),
]


@pytest.mark.parametrize(("arguments", "told"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_is_one_line_and_exit_code_2(solve, arguments, told):
    given = arguments if "--remaining-ms" in arguments else ["--remaining-ms", "900", *arguments]
    code, out, err = solve(*given)
    assert (code, out, err.count("\n"), err.startswith("sponge-bench: ")) == (2, "", 1, True)
    assert told in err


@pytest.mark.parametrize(
    "arguments", [[], ["--remaining-ms"], ["--remaining-ms", "soon"], ["--remaining-ms", "1", "--rule", "other"]]
)
def test_a_command_line_that_cannot_be_read_is_exit_code_2_without_a_traceback(solve, arguments):
    code, _, err = solve(*arguments)
    assert (code, "Traceback" in err) == (2, False)


def test_help_names_units_and_shows_two_examples(solve):
    code, out, _ = solve("--help")
    assert code == 0
    assert out.count("sponge-bench solve --remaining-ms") == 2
    assert "ms" in out


def test_what_nobody_foresaw_ends_in_one_line_and_exit_code_1(solve, monkeypatch):
    def fail(_):
        raise RuntimeError("surprise")

    monkeypatch.setattr(sys.modules["harness.cli.solve"], "solve_by_enumeration", fail)
    code, _, err = solve("--remaining-ms", "900")
    assert (code, err.splitlines()[0]) == (1, "sponge-bench: internal error: RuntimeError: surprise")
