"""The published profiles give the published numbers (spec of Sponge, sections 3 and 6)."""

import math

import pytest

from harness.errors import UsageError
from harness.fit import fit_least_squares, fit_nnls, quality, residual_quantiles
from harness.latency import GridCell, LatencyModel
from harness.published import published_grid, published_model, published_names

VECTORS = [
    (9, 4, 179), (9, 5, 220), (10, 4, 174), (10, 5, 213), (11, 4, 169), (11, 5, 207),
    (12, 4, 165), (12, 5, 202), (13, 5, 198), (14, 5, 194), (15, 5, 191), (16, 5, 189),
]  # fmt: skip


def whole_ms(name: str) -> list[GridCell]:
    """The published grid as the prototype fitted it: cut to whole milliseconds."""
    return [GridCell(g.batch, g.cores, math.floor(round(g.service_s * 1e3, 6)) / 1e3) for g in published_grid(name)]


@pytest.mark.parametrize(("cores", "batch", "ms"), VECTORS)
def test_yolov5s_predicts_the_published_whole_milliseconds(cores, batch, ms):
    assert int(published_model("yolov5s").predict_ms(batch, cores)) == ms


def test_least_squares_on_whole_milliseconds_gives_the_published_terms():
    terms = fit_least_squares(whole_ms("yolov5s")).terms_ms
    assert terms == pytest.approx((140.4352, 25.2388, -50.8415, 22.1359), abs=5e-5)


def test_the_published_rmse_is_reproduced():
    assert quality(published_model("yolov5s"), whole_ms("yolov5s")).rmse_s * 1e3 == pytest.approx(21.7, abs=0.05)


def test_the_nonnegative_fit_gives_the_published_terms():
    terms = fit_nnls(whole_ms("yolov5s"), weighting="absolute").terms_ms
    assert terms == pytest.approx((131.46, 28.72, 0.0, 2.43), abs=0.006)


def test_the_nonnegative_rmse_is_reproduced():
    model = published_model("yolov5s-nonnegative")
    assert quality(model, whole_ms("yolov5s")).rmse_s * 1e3 == pytest.approx(23.9, abs=0.05)


def test_least_squares_on_resnet18_comes_near_the_published_terms():
    terms = fit_least_squares(published_grid("resnet18")).terms_ms
    assert terms == pytest.approx((17.93, 4.91, 48.11, -1.35), abs=0.4)


def test_the_resnet18_rmse_is_near_the_published_one():
    assert quality(published_model("resnet18"), published_grid("resnet18")).rmse_s * 1e3 == pytest.approx(17.6, abs=0.1)


def test_a_relative_fit_is_nearer_in_the_cells_in_use():
    grid = published_grid("yolov5s")
    relative, absolute = (quality(fit_nnls(grid, weighting=w), grid) for w in ("relative", "absolute"))
    assert relative.worst_relative < 0.15 < 0.25 < absolute.worst_relative


@pytest.mark.parametrize("name", published_names())
def test_every_published_model_carries_the_grid_it_came_from(name):
    assert len(published_model(name).grid) in (20, 25)


def test_the_yolov5n_grid_ships_as_data():
    assert published_grid("yolov5n")[-1] == GridCell(16, 16.0, 0.3073)


def test_an_unknown_profile_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown profile 'yolo5s'; did you mean 'yolov5s'"):
        published_model("yolo5s")


def test_residual_quantiles_are_ratios_to_the_prediction():
    model = LatencyModel(0.0, 0.0, 0.0, 0.1)
    levels, ratios = residual_quantiles(model, {(1, 1.0): [0.1] * 99 + [0.3]})
    assert dict(zip(levels, ratios, strict=True))[0.5] == pytest.approx(1.0)


@pytest.mark.parametrize("grid", [[GridCell(1, 1, 0.1), GridCell(2, 1, 0.2)], [GridCell(1, 1, 0.1)] * 5, []])
def test_a_grid_that_cannot_determine_the_terms_is_refused(grid):
    with pytest.raises(UsageError, match="needs at least 2 of each"):
        fit_nnls(grid)
