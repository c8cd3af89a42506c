"""`sponge-bench clean`: remove what killed runs left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.backends.leftovers import Leftover, find_all, remove_cache
from harness.cli.chosen_run import RESULTS
from harness.errors import BenchError
from harness.record import recover


def clean(
    everything: Annotated[bool, typer.Option("--all", help="Also what belongs to runs that are still going.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Also the images and the wheels they are made of.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of results, whose unfinished rows become Parquet.")] = RESULTS,
) -> None:
    """Remove containers, networks, processes and control groups of runs whose harness is gone.

    Rows such a run had recorded are turned into Parquet and its manifest says `interrupted`. A run that is still
    going is left alone, unless --all is given. Prints what it did; exit code 0 also when there was nothing to do.

    Examples:

      sponge-bench clean

      sponge-bench clean --all --images
    """
    found = find_all()
    left = [thing for thing in found if everything or thing.is_left]
    failed = [why for thing in left if (why := removed(thing))]
    cached = list(remove_cache()) if images else []
    for text in cached:
        typer.echo(f"removed {text}")
    finished = recover(out)
    for folder in finished:
        typer.echo(f"finished {folder}")
    for text in kept(found, left):
        typer.echo(text)
    if not left and not cached and not finished:
        typer.echo("nothing to remove")
    if failed:
        raise BenchError("; ".join(failed))


def removed(thing: Leftover) -> str:
    """Remove a thing and say so; the reason when it could not be, else nothing. One that resists stops no other."""
    try:
        thing.remove()
    except BenchError as error:
        return str(error)
    typer.echo(f"removed {thing.text()}")
    return ""


def kept(found: list[Leftover], removed: list[Leftover]) -> list[str]:
    """One line for every run whose things stay, and why."""
    runs = {thing.run_id: thing.owner for thing in found if thing not in removed}
    why = {run: f"process {owner.pid} still runs" if owner else "no owner is named" for run, owner in runs.items()}
    return [f"kept what belongs to run {run}: {reason}; --all removes it too" for run, reason in sorted(why.items())]
