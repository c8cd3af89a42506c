"""`sponge-bench solve`: one instance of Sponge's integer program, answered as one JSON object."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated

import typer

from harness.errors import bad_value
from harness.latency import LatencyModel
from harness.policy.conditions import CoreGrid
from harness.policy.published import Choice, PublishedProblem, solve_by_enumeration, solve_by_integer_program
from harness.published import published_model

PLACE = "solve"
MOST_BATCH = 1024


class Rule(StrEnum):
    """Which constraint the allocation must meet."""

    published = "published"


class Method(StrEnum):
    """How the program is solved; both give the same answer."""

    enumerate = "enumerate"
    pulp = "pulp"


def solve(
    remaining_ms: Annotated[float, typer.Option(help="Remaining SLO of the requests when they arrive, ms.")],
    rate: Annotated[float, typer.Option(help="Requests per second.")] = 20.0,
    profile: Annotated[str, typer.Option(help="Published latency profile.")] = "yolov5s",
    latency_params_ms: Annotated[
        str | None, typer.Option(metavar="GAMMA,DELTA,EPSILON,ETA", help="Latency model in ms, in place of --profile.")
    ] = None,
    slo_ms: Annotated[float, typer.Option(help="End-to-end SLO, ms.")] = 1000.0,
    headroom: Annotated[float, typer.Option(help="Share of the SLO the plan may use, 0..1.")] = 0.9,
    min_cores: Annotated[float, typer.Option(help="Smallest core count.")] = 1.0,
    max_cores: Annotated[float, typer.Option(help="Largest core count.")] = 16.0,
    core_step: Annotated[float, typer.Option(help="Step between core counts.")] = 1.0,
    max_batch: Annotated[int, typer.Option(help="Largest batch size.")] = 8,
    rule: Annotated[Rule, typer.Option(help="The constraint.")] = Rule.published,  # noqa: ARG001
    method: Annotated[Method, typer.Option(help="Enumeration, or the integer program in PuLP.")] = Method.enumerate,
) -> None:
    """Solve one instance of the integer program.

    The smallest cores, then the smallest batch, that serve one second's requests within the remaining SLO.

    Prints {"cores", "batch", "latency_ms"} as JSON, or null when no allocation is enough. Predictions are cut to
    whole ms, as in the published prototype.

    Examples:

      sponge-bench solve --remaining-ms 914

      sponge-bench solve --remaining-ms 800 --rate 50 --latency-params-ms 17.93,4.91,48.11,-1.35 --max-batch 16
    """
    grid = CoreGrid(min_cores, max_cores, core_step)
    grid.validate(PLACE)
    numbers = {"rate": rate, "remaining_ms": remaining_ms, "slo_ms": slo_ms, "headroom": headroom}
    _check(numbers, max_batch)
    latency = parse_latency(latency_params_ms) if latency_params_ms else published_model(profile)
    problem = PublishedProblem(latency, rate, remaining_ms, slo_ms, headroom, grid.values(), max_batch)
    solver = solve_by_enumeration if method is Method.enumerate else solve_by_integer_program
    typer.echo(json.dumps(as_json(solver(problem))))


def parse_latency(text: str) -> LatencyModel:
    """A latency model from `gamma,delta,epsilon,eta` in ms. Raises UsageError."""
    try:
        gamma, delta, epsilon, eta = (float(part) for part in text.split(","))
    except ValueError as error:
        raise bad_value(PLACE, "--latency-params-ms", text, "must be four numbers: gamma,delta,epsilon,eta") from error
    return LatencyModel.from_ms(gamma, delta, epsilon, eta)


def as_json(choice: Choice | None) -> dict[str, float] | None:
    """The printed form; whole core counts without a decimal point."""
    if choice is None:
        return None
    cores = int(choice.cores) if choice.cores == int(choice.cores) else choice.cores
    return {"cores": cores, "batch": choice.batch, "latency_ms": choice.latency_ms}


def _check(numbers: dict[str, float], max_batch: int) -> None:
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise bad_value(PLACE, name, value, "must be a finite number")
    if numbers["rate"] < 0:
        raise bad_value(PLACE, "rate", numbers["rate"], "must be >= 0")
    if numbers["slo_ms"] <= 0:
        raise bad_value(PLACE, "slo_ms", numbers["slo_ms"], "must be > 0")
    if not 0 < numbers["headroom"] <= 1:
        raise bad_value(PLACE, "headroom", numbers["headroom"], "must be in (0, 1]")
    if not 1 <= max_batch <= MOST_BATCH:
        raise bad_value(PLACE, "max_batch", max_batch, f"must be within 1..{MOST_BATCH}")
