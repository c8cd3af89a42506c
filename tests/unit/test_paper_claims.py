"""Claims from made-up runs whose answers are known: arithmetic, verdicts that flip, and what is printed."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from harness.claims.catalogue import AS_PLOTTED, AS_PUBLISHED, BY_DEADLINE, FAIR, MIXED_LINKS, fewer_than_fa2
from harness.claims.decomposition import Parts
from harness.claims.evidence import gather
from harness.claims.rules import Bound, Finding, finding, verdict, while_also
from harness.claims.table import as_json, as_markdown, as_text, claims_table
from harness.stats.interval import Estimate

INSIDE, OUTSIDE, ACROSS = Estimate(0.2, 0.1, 0.25, 5), Estimate(0.5, 0.4, 0.6, 5), Estimate(0.3, 0.2, 0.4, 5)
FEW = Bound(most=0.3)


def judged(*findings):
    return verdict([Finding(name, None, state, required) for name, state, required in findings])


@pytest.mark.parametrize(("estimate", "state"), [(INSIDE, "holds"), (OUTSIDE, "fails"), (ACROSS, "undecided")])
def test_a_claim_holds_only_when_its_whole_interval_does(estimate, state):
    assert FEW.state(estimate) == state


@pytest.mark.parametrize("value", [0.2, 0.4])
def test_a_value_without_an_interval_decides_nothing(value):
    assert FEW.state(Estimate(value, n=1)) == "undecided"


def test_no_difference_at_all_is_no_gain():
    assert Bound(above=0.0).state(Estimate(0.0, 0.0, 0.0, 5)) == "fails"


def test_what_was_not_run_is_missing():
    assert finding("x", None, FEW, required=True).state == "missing"


def test_a_saving_that_violates_too_much_meanwhile_does_not_hold():
    saved = finding("x", Estimate(30.0, 29.0, 31.0, 5), Bound(least=19.5), required=True)
    assert while_also(saved, INSIDE, FEW).state == "holds"
    assert while_also(saved, OUTSIDE, FEW).state == "fails"
    assert while_also(saved, None, FEW).state == "missing"


@pytest.mark.parametrize(
    ("fair", "paper", "said"),
    [
        ("holds", "holds", "reproduced"),
        ("fails", "holds", "reproduced only with paper"),
        ("undecided", "holds", "reproduced only with paper"),
        ("holds", "fails", "reproduced only with fair"),
        ("fails", "fails", "not reproduced"),
        ("fails", "undecided", "undecided"),
        ("missing", "holds", "not measured (fair)"),
        ("missing", "missing", "not measured (fair; paper)"),
    ],
)
def test_the_verdict_follows_from_the_findings(fair, paper, said):
    assert judged(("fair", fair, True), ("paper", paper, True)) == said


def test_a_claim_that_holds_only_under_an_extra_condition_names_it():
    assert judged(("fair", "fails", True), ("paper", "fails", True), ("plotted", "holds", False)) == (
        "reproduced only with plotted"
    )


@pytest.mark.parametrize(
    ("fair", "said"), [("holds", "consistent (with fitted inputs)"),
                       ("fails", "consistent only with paper (with fitted inputs)")],
)  # fmt: skip
def test_what_holds_with_inputs_fitted_to_the_published_series_is_only_consistent(fair, said):
    assert verdict([Finding("fair", None, fair, True), Finding("paper", None, "holds", True, fitted=True)]) == said


@pytest.fixture
def table(make_run, tmp_path):
    """Makes the table of a published set-up and a fair one."""

    def make(paper, honest, mixed=None):
        for scenario, systems in (("paper-eval", paper), ("honest-eval", honest), ("mixed-eval", mixed)):
            if systems:
                make_run(scenario, systems)
        return claims_table(tmp_path / "results")

    return make


@pytest.fixture
def paper(made):
    """Systems of the published set-up: nothing late but FA2, 1 in 20."""
    return {
        "sponge-prototype": made(0.0, ((0.0, 12.7),)),
        "fa2-prototype": made(0.05, ((0.0, 1.0), (10.0, 4.0))),
        "static-8": made(1.0, ((0.0, 8.0),)),
        "static-16": made(0.0),
    }


@pytest.fixture
def honest(made):
    """Systems in fair conditions: sponge never late on 8 cores."""
    return {"sponge": made(0.0, ((0.0, 8.0),)), "fa2": made(0.1), "static-16-batching": made(0.0)}


def claim(table, name):
    return next(one for one in table.claims if one.name == name)


def value(table, name, condition):
    return claim(table, name).under(condition).estimate.value


def test_few_violations_are_reproduced_where_nothing_is_late(table, paper, honest):
    assert claim(table(paper, honest), "few-violations").verdict == "reproduced"


def test_the_verdict_flips_when_fair_conditions_show_violations(table, paper, honest, made):
    made_table = table(paper, honest | {"sponge": made(0.05, ((0.0, 8.0),))})
    assert value(made_table, "few-violations", FAIR) == pytest.approx(5.0)
    assert claim(made_table, "few-violations").verdict == f"reproduced only with {BY_DEADLINE}"


def test_a_saving_of_cores_is_a_share_of_16(table, paper, honest):
    made_table = table(paper, honest)
    assert value(made_table, "fewer-cores", FAIR) == pytest.approx(50.0)
    assert value(made_table, "fewer-cores", AS_PUBLISHED) == pytest.approx(100 * (1 - 12.7 / 16))
    assert claim(made_table, "fewer-cores").verdict == "reproduced"


def test_a_saving_bought_with_violations_is_not_the_claimed_one(table, paper, honest, made):
    made_table = table(paper, honest | {"sponge": made(0.05, ((0.0, 8.0),))})
    assert claim(made_table, "fewer-cores").verdict == f"reproduced only with {AS_PUBLISHED}"


def test_the_prototypes_metric_counts_one_late_of_twenty_as_two_of_forty(table, paper, honest):
    assert value(table(paper, honest), "fa2-few-violations", AS_PUBLISHED) == pytest.approx(5.0)


def test_the_ratio_to_fa2_is_of_means_and_infinite_over_nothing(table, paper, honest):
    assert value(table(paper, honest), "fewer-than-fa2", FAIR) == float("inf")


def test_the_points_of_the_plot_are_added_where_replicas_rise(table, paper, honest, made):
    systems = paper | {"sponge-prototype": made(0.05, ((0.0, 12.7),)), "fa2-prototype": made(0.05, fa2_steps())}
    made_table = table(systems, honest | {"sponge": made(0.1)})
    assert value(made_table, "fewer-than-fa2", FAIR) == pytest.approx(1.0)
    assert value(made_table, "fewer-than-fa2", AS_PUBLISHED) == pytest.approx(1.0)
    assert value(made_table, "fewer-than-fa2", AS_PLOTTED) == pytest.approx((5.0 + 9 * 99.0 / 20) / 5.0)
    assert claim(made_table, "fewer-than-fa2").verdict == "not reproduced"


def test_the_ratio_to_fa2_flips_the_verdict_with_the_points_of_the_plot(make_run, paper, honest, made, tmp_path):
    make_run("paper-eval", paper | {"sponge-prototype": made(0.05)})
    make_run("honest-eval", honest | {"sponge": made(0.1)})
    one = Parts(sponge=0.3, sponge_later=0.3, fa2=2.3, fa2_later=0.7, fa2_plotted=4.8)
    evidence = replace(gather(tmp_path / "results"), parts={("", 1): one, ("", 2): one})
    found = fewer_than_fa2(evidence)
    assert found.under(AS_PLOTTED).estimate.value == pytest.approx(16.0)
    assert found.verdict == f"consistent only with {AS_PLOTTED} (with fitted inputs)"


def fa2_steps():
    """From one replica to a hundred and back, every second: nine rises of 99 points."""
    return tuple((float(second), 100.0 if second % 2 else 1.0) for second in range(19))


def test_the_published_decomposition_is_computed_from_the_series(table, paper, honest):
    steps = table(paper, honest).decomposition
    assert [round(step.published, 1) for step in steps] == [16.6, 8.0, 2.3]
    assert [step.cited for step in steps] == [True, True, True]


def test_static_8_collapses_only_with_batch_size_1(table, paper, honest, made):
    made_table = table(paper, honest | {"static-8-batching": made(0.05, ((0.0, 8.0),))})
    assert value(made_table, "static-8-collapses", AS_PUBLISHED) == pytest.approx(52.5)
    assert claim(made_table, "static-8-collapses").verdict.startswith("consistent only with batch size 1")


@pytest.mark.parametrize(
    ("name", "input_"),
    [("static-8-collapses", "0.87"), ("static-16-is-enough", "0.87"), ("mean-cores", "blind_s = 9"),
     ("fewer-than-fa2", "blind_s = 14"), ("fa2-few-violations", "blind_s = 14")],
)  # fmt: skip
def test_a_claim_names_the_inputs_fitted_to_the_published_series(name, input_, table, paper, honest):
    assert input_ in claim(table(paper, honest), name).why


def test_the_mean_of_cores_is_consistent_and_not_reproduced(table, paper, honest):
    assert claim(table(paper, honest), "mean-cores").verdict == "consistent (with fitted inputs)"


def test_reordering_is_not_measured_without_mixed_clients(table, paper, honest, made):
    slow = {"sponge-fifo": made(0.2, ((0.0, 8.0),))}
    without = table(paper, honest | slow)
    assert claim(without, "reordering-helps").verdict.startswith("not measured (mixed payloads")


def test_reordering_is_judged_where_order_can_count(table, paper, honest, made):
    same, slow = {"sponge-fifo": honest["sponge"]}, {"sponge-fifo": made(0.2, ((0.0, 8.0),))}
    found = table(paper, honest | same, {"sponge": made(0.0)} | slow)
    assert value(found, "reordering-helps", MIXED_LINKS) == pytest.approx(20.0)
    assert claim(found, "reordering-helps").verdict == "reproduced"


def test_without_runs_nothing_is_measured_and_the_published_values_stand(tmp_path):
    made_table = claims_table(tmp_path)
    assert {one.verdict.split(" (")[0] for one in made_table.claims} == {"not measured"}
    assert claim(made_table, "few-violations").published == "0.2875"
    assert "not run: `sponge-bench run honest-eval --backend simulated --seeds 5` makes it" in as_text(made_table)


def test_what_was_run_is_not_asked_for(table, paper, honest):
    assert [command.split()[2] for command in table(paper, honest).not_run] == ["mixed-eval"]


def test_a_ratio_over_nothing_is_printed_without_an_interval_and_undecided(table, paper, honest):
    found = table(paper, honest)
    assert claim(found, "fewer-than-fa2").under(FAIR).state == "undecided"
    assert "inf (no interval) n=3" in as_markdown(found)


def test_the_legend_says_that_policies_know_the_model(table, paper, honest):
    assert "there is no model error" in as_text(table(paper, honest))


def test_a_step_of_the_decomposition_without_violations_says_so(table, paper, honest, made):
    steps = table(paper | {"fa2-prototype": made(0.0)}, honest).decomposition
    assert steps[1].ours is None
    assert steps[1].ours_text == "no violations on either side"


def test_every_form_names_the_runs_and_every_claim(table, paper, honest):
    made_table = table(paper, honest)
    for text in (as_text(made_table), as_markdown(made_table), as_json(made_table)):
        assert "20260101T000000Z-made" in text
        assert "16.6" in text
    facts = json.loads(as_json(made_table))
    assert [one["name"] for one in facts["claims"]] == [one.name for one in made_table.claims]
    ratio = next(one for one in facts["claims"] if one["name"] == "fewer-than-fa2")
    assert ratio["findings"][0]["value"] == "inf"


ALONE = """
import socket, sys
def refuse(*_, **__): raise OSError("the network must not be touched")
socket.socket.connect = refuse
import harness.cli.claims as claims, harness.cli.figures as figures
from pathlib import Path
results = Path(sys.argv[1])
claims.claims(results, claims.Format.markdown)
figures.figures([], results, results / "drawn")
layers = ("sim", "run", "load", "serve", "backends", "replica", "traces", "plan", "engine", "policy", "scenario")
loaded = [name for name in sys.modules if name.split(".")[0] == "harness" and name.split(".")[1:2] and
          name.split(".")[1] in layers]
assert not loaded, loaded
"""


def test_claims_and_figures_run_from_stored_parquet_alone(table, paper, honest, tmp_path):
    table(paper, honest)
    for plan in tmp_path.glob("results/honest-eval/*/plans"):
        plan.rename(tmp_path / "gone")
    command = [sys.executable, "-W", "error", "-c", ALONE, str(tmp_path / "results")]
    environment = {"PATH": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "| reproduced |" in done.stdout
    assert (tmp_path / "results" / "drawn" / "timeline.pdf").stat().st_size > 1000
