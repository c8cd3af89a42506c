"""`sponge-bench profile` shows what was measured and refuses what cannot be."""

import io
from dataclasses import replace

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from harness.cli.disturbance import doubts
from harness.cli.profile import profile, profile_table, verdict
from harness.errors import UsageError
from harness.profile import Grid, Profile, Sample
from harness.profile.values import fit_samples

SAMPLES = tuple(Sample(b, c, 1, 0.1 * b / c, 0.01, 0.09) for b in (1, 2) for c in (0.5, 1.0)) * 3
GRID = Grid((0.5, 1.0), (1, 2, 8))
MEASURED = Profile("m", {"backend": "b"}, GRID, SAMPLES, ((8, 0.5),), fit_samples(SAMPLES, "m"), "now", 12.3, 0.1)

app = typer.Typer(rich_markup_mode=None)
app.command()(profile)


def shown():
    console = Console(width=100, file=io.StringIO())
    console.print(profile_table(MEASURED))
    return console.file.getvalue()


def test_measured_and_fitted_stand_side_by_side():
    assert "200 / 200" in shown()


def test_a_cell_left_out_is_shown_as_such():
    row = next(line for line in shown().splitlines() if line.startswith("│     8"))
    assert row.count("-") == 2


def test_the_verdict_names_terms_and_quality():
    text = verdict(MEASURED)
    assert "l(b, c) = 100.00 b/c + 0.00 b + 0.00/c + 0.00 ms" in text
    assert "R2 1.0000" in text
    assert "3 samples per cell or more, taken in 12 s" in text


def test_a_disturbed_profile_says_so():
    busy = replace(MEASURED, other_cores=1.25)
    assert (MEASURED.disturbed, busy.disturbed) == (False, True)
    assert "1.2 cores of this machine did other work" in doubts(busy)[0]


def test_a_badly_fitted_profile_says_so_and_how_to_measure_again():
    times = (0.3, 0.1, 0.1, 0.5, 0.2, 0.9, 0.1)
    samples = tuple(Sample(b, c, 1, t, 0.01, 0.09) for c in (0.5, 1.0) for b, t in enumerate(times, 1))
    scattered = replace(MEASURED, latency=fit_samples(samples, "m"))
    assert doubts(MEASURED) == []
    assert "below 0.95)" in doubts(scattered)[0]
    assert doubts(scattered)[0].endswith("sponge-bench profile --model m")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--cores", "a"], "--cores = 'a'; must be comma-separated numbers"),
        (["--cores", "1"], "must be at least 2 different values"),
        (["--cores", "nan,1"], "must be finite and > 0"),
        (["--batches", "1,2.5"], "must be comma-separated whole numbers"),
        (["--batches", "0,1"], "must be finite and > 0"),
        (["--image-shape", "10,10"], "must be HEIGHT,WIDTH,3"),
        (["--model", "resnet-18"], "did you mean 'resnet18'"),
    ],
)
def test_an_option_that_cannot_be_is_named_with_its_rule(arguments, rule):
    found = CliRunner().invoke(app, arguments)
    assert isinstance(found.exception, UsageError)
    assert rule in str(found.exception)


def test_help_has_units_defaults_and_two_examples():
    text = CliRunner().invoke(app, ["--help"]).output
    assert text.count("sponge-bench profile") == 2
    assert "default: 1,2,4,8" in text
    assert "in ms" in text
