"""The paper's figures from made-up runs: what they show, that they can be printed, and what is said beside them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from harness.errors import UsageError
from harness.figures.bars import draw_pareto
from harness.figures.floor import mean_curve, read_floor
from harness.figures.latency_grid import draw_latency
from harness.figures.output import Skipped, write
from harness.figures.paper import FIGURES, draw_figures
from harness.figures.sensitivity import draw_sensitivity
from harness.figures.style import LOOKS, ONE_COLUMN_IN, SMALLEST_PT, TWO_COLUMNS_IN, in_style, looks_of
from harness.stored.modes import newest_mode
from harness.stored.runs import newest_finished

SWEPT = {"cold-start": "twin.cold_start_s", "resize-delay": "twin.resize_delay_s", "payload": "plan.payload_bytes",
         "load": "plan.arrivals.rate_rps", "slo": "plan.slo_s", "window": "window_s"}  # fmt: skip
PAPER_SYSTEMS = ("sponge-prototype", "fa2-prototype", "static-8", "static-16")


@pytest.fixture(scope="module")
def whole(run_writer, made, tmp_path_factory):
    """Every scenario a figure needs, made up; only to be read."""
    place = tmp_path_factory.mktemp("made")
    steps = ((0.0, 16.0), (5.0, 10.0))
    run_writer(place, "paper-eval", {name: made(0.05, steps) for name in PAPER_SYSTEMS})
    systems = {"sponge": made(0.05, steps), "sponge-fifo": lambda seed: made(0.1 + 0.05 * seed, steps)}
    run_writer(place, "honest-eval", {**systems, "static-16-batching": made(0.0), "of-my-own": made(0.5)})
    run_writer(place, "mixed-eval", systems)
    for scenario, key in SWEPT.items():
        write_sweep(place / scenario / "sweep-1", key)
    return place


@pytest.fixture(scope="module")
def drawings(whole):
    """Every figure, drawn once."""
    with in_style():
        return {name: draw(whole) for name, draw in FIGURES.items()}


@pytest.fixture(scope="module")
def files(drawings, tmp_path_factory):
    """Every figure's files, written once: PDF, PNG, caption, sidecar."""
    place = tmp_path_factory.mktemp("out")
    return {name: write(made, place, name) for name, made in drawings.items()}


@pytest.fixture
def results(whole, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(whole, tmp_path / "results")


def write_sweep(folder: Path, key: str, started="2026-01-01T00:00:00+00:00", invalid_seed=None, duration_s=600.0):
    rows = [
        {"case": "", key: at, "system": system, "seed": seed, "violation_rate": 0.01 * at * seed, "mean_cores": 8.0,
         "valid": seed != invalid_seed, "git_commit": "c0ffee" * 6, "git_dirty": False}
        for at in (0.5, 1.0, 20.0) for system in ("sponge", "fa2", "hpa") for seed in (1, 2, 3)
    ]  # fmt: skip
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(rows)), folder / "sweep.parquet")
    facts = {"started_utc": started, "scenario_sha256": "cd" * 32, "git_commit": "of the command",
             "scenario": {"title": "a sweep", "plan": {"duration_s": duration_s}}}  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(facts))


def drawn(draw, results):
    with in_style():
        made = draw(results)
    assert not isinstance(made, Skipped), made
    return made


def texts(figure) -> list[str]:
    return [one.get_text() for one in figure.findobj(Text) if one.get_visible() and one.get_text()]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_content_and_is_written_as_vector_picture_caption_and_sidecar(name, files):
    assert [path.suffix for path in files[name]] == [".pdf", ".png", ".md", ".json"]
    assert imread(files[name][1]).std() > 0.02


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_a_column_or_two_and_no_text_is_under_7_points(name, drawings):
    figure = drawings[name].figure
    assert figure.get_size_inches()[0] in (ONE_COLUMN_IN, TWO_COLUMNS_IN)
    figure.draw_without_rendering()
    sizes = [one.get_fontsize() for one in figure.findobj(Text) if one.get_visible() and one.get_text()]
    assert min(sizes) >= SMALLEST_PT


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_of_numbers_says_its_unit(name, drawings):
    figure = drawings[name].figure
    labels = [a.get_xlabel() for a in figure.axes] + [a.get_title(loc="left") for a in figure.axes]
    said = " ".join([*labels, *(a.get_ylabel() for a in figure.axes)])
    assert re.search(r"\((s|ms|kB|%|Mbit/s|requests|requests/s|% of)|cores", said)
    assert any(label for label in labels)


@pytest.mark.parametrize("name", FIGURES)
def test_fonts_are_embedded_as_truetype(name, files):
    pdf = files[name][0].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Subtype /Type3" not in pdf


def test_the_same_runs_give_the_same_bytes(whole, files, tmp_path):
    (again,) = draw_figures(whole, tmp_path, ["pareto"])
    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in files["pareto"]]


def test_the_caption_and_the_sidecar_name_run_seeds_scenario_and_commit(files):
    caption, sidecar = files["timeline"][2].read_text(), json.loads(files["timeline"][3].read_text())
    assert "paper-eval 20260101T000000Z-made; seeds 1, 2, 3; backend simulated" in caption
    assert "scenario sha256 abababababab; commit c0ffeec0ffee" in caption
    assert sidecar["runs"][0]["folder"].endswith("20260101T000000Z-made")


def test_a_generated_trace_is_said_in_the_caption(make_run, made, tmp_path):
    make_run("honest-eval", {"sponge": made()}, traces=[{"synthetic_because": "no network"}])
    (written,) = draw_figures(tmp_path / "results", tmp_path / "out", ["pareto"])
    assert "a generated trace stands in for a measured one" in written.files[2].read_text()


def test_a_figure_without_runs_is_skipped_with_the_command_that_makes_them(tmp_path):
    found = {one.name: one.skipped for one in draw_figures(tmp_path, tmp_path / "out")}
    assert str(found["timeline"]).endswith("make it with: sponge-bench run paper-eval --backend simulated --seeds 5")
    assert str(found["sensitivity-load"]).endswith("make it with: sponge-bench sweep load")
    assert found["latency"] is None  # the published profile needs no run


def test_an_unknown_figure_names_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'pareto'"):
        draw_figures(tmp_path, tmp_path, ["paretto"])


def test_no_two_systems_look_the_same_in_colour_or_in_grey():
    looks = LOOKS.values()
    assert len({(look.colour, str(look.line), look.marker) for look in looks}) == len(LOOKS)
    assert len({look.marker for look in looks}) == len(LOOKS)


def test_a_system_of_ones_own_gets_a_look_that_no_other_has():
    looks = looks_of(["sponge", "mine", "yours"])
    assert looks["mine"] != looks["yours"]
    assert looks["mine"] not in LOOKS.values()


def test_the_timeline_overlays_the_published_series_of_sponge(drawings):
    violations = drawings["timeline"].figure.axes[0]
    assert len(violations.lines) == 3  # by deadline, by the prototype's metric, published
    assert violations.lines[2].get_ydata().max() > 1.0


def test_remaining_slo_is_the_slo_less_the_upload(drawings):
    numbers = drawings["dynamic-slo"].numbers
    assert numbers == {"remaining_median_ms": pytest.approx(800.0), "remaining_least_ms": pytest.approx(700.0)}


def test_the_published_grid_and_its_fit_are_drawn_as_points_and_lines(drawings):
    left = drawings["latency"].figure.axes[0]
    assert [len(line.get_xdata()) for line in left.lines] == [60, 5] * 4


def test_a_measured_profile_is_drawn_below_the_published_one(make_run, made, tmp_path):
    grid = [{"batch": b, "cores": c, "service_s": 0.02 * b / c + 0.01} for b in (1, 2) for c in (1.0, 2.0)]
    terms = {"gamma_s": 0.02, "delta_s": 0.0, "epsilon_s": 0.0, "eta_s": 0.01}
    make_run("quickstart", {"sponge": made()}, latency={"name": "yolo-n", "grid": grid, **terms})
    made_figure = drawn(draw_latency, tmp_path / "results")
    assert made_figure.numbers["worst_error_percent"]["yolo-n"] == pytest.approx(0.0, abs=1e-9)
    assert "(c) yolo-n, over cores" in texts(made_figure.figure)


def test_order_compares_edf_and_fifo_per_payload_and_pairs_them(drawings):
    numbers = drawings["order"].numbers
    assert list(numbers["violation_percent"]["sponge"]) == ["100 kB", "200 kB", "all"]
    assert numbers["fifo_minus_edf_points"]["mean"] == pytest.approx(15.0)


def test_the_ablation_bars_are_means_with_intervals_over_seeds(drawings):
    numbers = drawings["ablation"].numbers["violation_percent"]
    assert numbers["sponge"] == {"mean": pytest.approx(5.0), "low": 5.0, "high": 5.0, "units": 3}
    assert numbers["sponge-fifo"]["mean"] == pytest.approx(20.0)
    assert 0 < numbers["sponge-fifo"]["low"] < 20.0 < numbers["sponge-fifo"]["high"]


def test_the_pareto_figure_without_an_oracle_says_so(drawings):
    assert "The floor of the oracle is not drawn" in drawings["pareto"].caption


def oracle_entry(seed, core_s):
    curve = [{"violations": 0, "core_s": core_s}, {"violations": 40, "core_s": core_s / 2}]
    return {"seed": seed, "planned": 400, "floor": curve, "any_scaling_core_s": 20.0, "gap": 0.1,
            "schedule": {"violations": 8}}  # fmt: skip


def test_the_floor_is_the_mean_over_seeds_in_cores_and_per_cent(results):
    run = newest_finished(results, "honest-eval")
    entries = [oracle_entry(1, 100.0), oracle_entry(2, 120.0)]
    (run.folder / "oracle.json").write_text(json.dumps({"seeds": entries}))
    floor = read_floor(run)
    assert (floor.violation_percent[0], floor.violation_percent[-1]) == (0.0, 10.0)
    np.testing.assert_allclose(floor.cores[[0, -1]], [5.5, 2.75])  # core-seconds over 20 s
    assert floor.any_scaling_cores == 1.0
    assert "spends 10.0 % more than its bound" in drawn(draw_pareto, results).caption


def test_the_caption_says_for_which_seeds_the_floor_is_and_up_to_which_misses_the_weaker_bound_holds(results):
    run = newest_finished(results, "honest-eval")
    (run.folder / "oracle.json").write_text(json.dumps({"seeds": [oracle_entry(1, 100.0)]}))
    caption = drawn(draw_pareto, results).caption
    assert "computed for seed 1 of 1, 2, 3" in caption
    assert "for at most the oracle's own misses (2 %)" in caption


def test_between_proven_points_the_floor_is_that_of_the_next_higher_one():
    one = np.array([0.0, 4.0]), np.array([8.0, 6.0])
    other = np.array([0.0, 1.0, 4.0]), np.array([8.0, 7.0, 6.0])
    percent, cores = mean_curve([one, other])
    np.testing.assert_array_equal(percent, [0.0, 1.0, 4.0])
    np.testing.assert_array_equal(cores, [8.0, (6.0 + 7.0) / 2, 6.0])


def test_a_run_that_has_not_ended_is_passed_over_and_the_last_to_start_is_the_newest(make_run, made, tmp_path):
    results = tmp_path / "results"
    for name, started, seeds in (("zz", 1, (1, 2)), ("mm", 2, (1, 2)), ("aa", 3, (1, 2, 3))):
        asked = {"systems": ["sponge"], "seeds": list(seeds)}
        folder = make_run(
            "honest-eval", {"sponge": made()}, (1, 2), started_utc=f"2026-01-0{started}T00:00:00+00:00", asked=asked
        )
        folder.rename(folder.with_name(name))
    assert newest_finished(results, "honest-eval").run_id == "mm"


def test_a_sweep_of_other_conditions_does_not_count_as_the_scenario(results):
    write_sweep(results / "honest-eval" / "sweep-slo", "plan.slo_s")
    assert newest_mode(results, "honest-eval", "sponge").is_sweep is False


def test_a_seed_that_comes_twice_at_a_value_is_refused(results):
    path = results / "load" / "sweep-1" / "sweep.parquet"
    rows = pq.read_table(path).to_pandas()
    pq.write_table(pa.Table.from_pandas(pd.concat([rows, rows])), path)
    with pytest.raises(UsageError, match=r"sponge: plan\.arrivals\.rate_rps = 0\.5 and seed 1 come twice"):
        draw_sensitivity("load", results)


def test_the_commit_of_a_sweep_is_that_of_its_rows(drawings):
    assert drawings["sensitivity-load"].sweeps[0]["git_commit"] == "c0ffee" * 6


def test_a_short_sweep_says_that_hpa_only_held_its_maximum(results):
    short = "2026-02-02T00:00:00+00:00"
    write_sweep(results / "load" / "sweep-2", "plan.arrivals.rate_rps", short, duration_s=300.0)
    assert "plans of 300 s show it at its maximum only" in drawn(FIGURES["sensitivity-load"], results).caption
    assert "hpa" not in drawn(FIGURES["sensitivity-slo"], results).caption


def test_one_seed_of_order_has_no_interval_and_says_so(make_run, made, tmp_path):
    make_run("mixed-eval", {"sponge": made(), "sponge-fifo": made(0.05)}, (1,))
    caption = drawn(FIGURES["order"], tmp_path / "results").caption
    assert "+5.00 points (one seed: no interval)" in caption


def test_a_broken_account_of_the_oracle_is_named(results):
    run = newest_finished(results, "honest-eval")
    (run.folder / "oracle.json").write_text('{"seeds": [{}]}')
    with pytest.raises(UsageError, match=r"oracle\.json: has not the form"):
        read_floor(run)


def test_the_newest_finished_sweep_is_drawn_and_its_invalid_rows_are_left_out(results):
    write_sweep(results / "load" / "sweep-0", "plan.arrivals.rate_rps", "2026-02-02T00:00:00+00:00", invalid_seed=3)
    made = drawn(lambda folder: draw_sensitivity("load", folder), results)
    assert made.sweeps[0]["run_id"] == "sweep-0"
    assert made.sweeps[0]["invalid_left_out"] == ["9 rows"]
    assert made.numbers["sponge"]["violation_percent"][0]["mean"] == pytest.approx(0.75)  # seeds 1 and 2


def test_a_payload_is_shown_in_kilobytes(drawings):
    made = drawings["sensitivity-payload"]
    assert made.figure.axes[0].get_xlabel() == "payload (kB)"
    assert made.numbers["fa2"]["mean_cores"][0]["at"] == 0.5


def test_a_sweep_without_its_columns_is_named(results):
    folder = results / "load" / "sweep-9"
    folder.mkdir()
    pq.write_table(pa.table({"system": ["sponge"]}), folder / "sweep.parquet")
    with pytest.raises(UsageError, match=r"sweep-9/sweep\.parquet: column seed is missing"):
        draw_sensitivity("load", results)


def test_an_invalid_session_is_left_out_and_named(make_run, made, tmp_path):
    folder = make_run("honest-eval", {"sponge": made(), "fa2": made()})
    manifest = folder / "fa2" / "seed-1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"valid": true', '"valid": false'))
    made_figure = drawn(draw_pareto, tmp_path / "results")
    assert made_figure.runs[0]["invalid_left_out"] == ["fa2/seed-1"]
    assert "invalid, left out: fa2/seed-1" in write(made_figure, tmp_path / "out", "pareto")[2].read_text()
