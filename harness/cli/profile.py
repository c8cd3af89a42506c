"""`sponge-bench profile`: how long batches take on this machine, measured, fitted and kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from harness.backends.choose import choose_backend
from harness.cli.disturbance import doubts
from harness.errors import bad_value
from harness.latency import LatencyModel
from harness.profile import Grid, Profile, ProfileRequest, obtain_profile
from harness.profile.grid import default_cores
from harness.profile.store import profile_path
from harness.profile.values import by_cell
from harness.replica.models import model_file
from harness.run.bench import new_run_id
from harness.run.host import profile_host

PLACE = "profile"
QUICK_REPEATS, QUICK_BUDGET_S = 5, 20.0
REPEATS = 20
Number = TypeVar("Number", int, float)


def profile(
    model: Annotated[str, typer.Option(help="Built-in model or ONNX file.")] = "resnet18",
    backend: Annotated[
        str, typer.Option(help="Where it runs: docker, process, or auto (docker when possible).")
    ] = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="At most 5 rounds and about 20 s.")] = False,
    cores: Annotated[
        str, typer.Option(help="Comma-separated core counts.  [default: five up to 80 % of this machine]")
    ] = "",
    batches: Annotated[str, typer.Option(help="Comma-separated batch sizes.")] = "1,2,4,8",
    repeats: Annotated[int | None, typer.Option(min=1, help="Samples per cell.  [default: 20, with --quick 5]")] = None,
    image_shape: Annotated[str, typer.Option(help="Raw image: height,width,3 in pixels.")] = "253,400,3",
    base_image: Annotated[
        str | None, typer.Option(help="Base image of the containers.  [default: python:3.11-slim]")
    ] = None,
) -> None:
    """Measure the latency of a model over batch sizes and cores through a backend, and fit the latency model.

    Prints measured (median) and fitted service times in ms, and R2. The profile is kept per host, model, backend and
    image; `run` uses it. Cells expected to take over 0.75 s are left out.

    Examples:

      sponge-bench profile --quick

      sponge-bench profile --model yolo-n --backend process --cores 0.4,0.8,1.6 --repeats 50
    """
    console = Console()
    grid = Grid(
        cores=_numbers("--cores", cores, float) if cores else default_cores(os.cpu_count() or 1),
        batches=_numbers("--batches", batches, int),
        repeats=repeats or (QUICK_REPEATS if quick else REPEATS),
        budget_s=QUICK_BUDGET_S if quick else math.inf,
    )
    grid.validate(PLACE)
    shape = _numbers("--image-shape", image_shape, int)
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise bad_value(PLACE, "--image-shape", image_shape, "must be HEIGHT,WIDTH,3 in whole numbers > 0")
    request = ProfileRequest(
        model_file(model), (shape[0], shape[1], shape[2]), grid, profile_host(), f"{new_run_id()}-profile"
    )
    place, why = choose_backend(
        backend, base_image=base_image, say=lambda text: console.print(text, markup=False, soft_wrap=True)
    )
    console.print(f"backend {why}", markup=False, soft_wrap=True)
    with place, _progress(console) as progress:
        task = progress.add_task("starting", total=None)
        found, _ = obtain_profile(
            request,
            place,
            lambda done, total, text: progress.update(task, completed=done, total=total, description=text),
            fresh=True,
        )
    console.print(profile_table(found))
    console.print(verdict(found), markup=False, soft_wrap=True)
    for doubt in doubts(found):
        console.print(doubt, markup=False, soft_wrap=True)
    console.print(f"wrote {profile_path(found.name, found.identity)}", markup=False, soft_wrap=True)


def profile_table(profile: Profile) -> Table:
    """Measured median / fitted service time in ms, batch by cores; `-` where it would take too long."""
    cells = {(cell.batch, cell.cores): cell.service_s for cell in profile.latency.grid}
    columns = sorted({cores for _, cores in [*cells, *profile.skipped]})
    table = Table(title=f"{profile.name}: measured / fitted service time, ms")
    table.add_column("batch", justify="right")
    for cores in columns:
        table.add_column(f"{cores:g} cores", justify="right", no_wrap=True)
    for batch in sorted({batch for batch, _ in [*cells, *profile.skipped]}):
        table.add_row(str(batch), *(_cell(cells.get((batch, c)), profile.latency, batch, c) for c in columns))
    return table


def _cell(measured_s: float | None, latency: LatencyModel, batch: int, cores: float) -> str:
    if measured_s is None:
        return "-"
    return f"{measured_s * 1e3:.0f} / {latency.predict_s(batch, cores) * 1e3:.0f}"


def verdict(profile: Profile) -> str:
    """The fitted terms, how good they are, and how wide the samples spread."""
    gamma, delta, epsilon, eta = profile.latency.terms_ms
    found = profile.quality
    samples = min(len(times) for times in by_cell(profile.samples).values())
    return (
        f"l(b, c) = {gamma:.2f} b/c + {delta:.2f} b + {epsilon:.2f}/c + {eta:.2f} ms\n"
        f"R2 {found.r2:.4f}, error {found.rmse_relative:.1%} (root mean square), {found.worst_relative:.1%} (worst)\n"
        f"p95 of the samples is {profile.latency.quantile_ratio(0.95):.2f} times the fit; "
        f"{samples} samples per cell or more, taken in {profile.took_s:.0f} s"
    )


def _numbers(option: str, text: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise bad_value(PLACE, option, text, f"must be comma-separated {what}") from error


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )
