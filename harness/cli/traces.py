"""`sponge-bench traces`: the catalogue of real traces, their bytes, and one's own."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.cli.textplot import text_plot
from harness.cli.trace_facts import number_rows, origin_rows, plotted
from harness.cli.trace_list import HEADER, by_technology, cells_of, list_lines
from harness.errors import BenchError, CheckError, UsageError, bad_value, unknown_name
from harness.figures.traces import draw_cdfs, draw_remaining_slo, draw_trace, save_figure
from harness.traces.catalogue import Dataset, TraceFile, by_name, datasets, files, slices
from harness.traces.detect import parser_of
from harness.traces.download import Unreachable
from harness.traces.library import fetched, import_trace, imported_names, load_trace
from harness.traces.model import BandwidthTrace, Provenance, Trace
from harness.traces.places import local_file, mirror_dir
from harness.traces.readers import read_all
from harness.traces.source import Source
from harness.traces.statistics import statistics_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Real workloads and networks: list them, look at one, fetch, check and import.",
    rich_markup_mode=None,
)
Mirror = Annotated[
    Path | None,
    typer.Option(help="Folder with the catalogue's files. Default: $SPONGE_BENCH_MIRROR, ../shared/traces, the cache."),
]


@app.command("list")
def list_traces(
    name: Annotated[str, typer.Argument(help="Only names that begin so, e.g. ghent-4g or lumos5g/5g.")] = "",
    mirror: Mirror = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line instead of a table.")] = False,
    png: Annotated[
        Path | None, typer.Option(help="Also draw the bandwidth CDF of each technology into this file.")
    ] = None,
) -> None:
    """All traces: kind, technology, mobility, direction, length, bandwidth (Mbit/s) or requests/s, share of the time
    at zero (outage), licence, and whether the bytes are here.

    Statistics are over time and only known for traces that are here. A name that ends in /... is a file that holds
    several traces and is not here.

    Examples:

      sponge-bench traces list

      sponge-bench traces list lumos5g/5g --json
    """
    lines = [line for line in list_lines(mirror) if line.name.startswith(name)]
    if not lines:
        raise unknown_name("traces", "name", name, [*by_name(), *slices(), *imported_names()])
    if png:
        save_figure(draw_cdfs(by_technology(lines, mirror)), png)
    if as_json:
        for line in lines:
            typer.echo(json.dumps(_plain(asdict(line))))
        return
    rows = [HEADER, *(cells_of(line) for line in lines)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADER))]
    for row in rows:
        cells = [
            cell.rjust(w) if 5 <= k <= 9 or k == 11 else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())


@app.command("show")
def show_trace(
    name: Annotated[str, typer.Argument(help="A trace, e.g. ghent-4g/bus_0001 or twitter-2021-08/ipa-bursty.")],
    mirror: Mirror = None,
    png: Annotated[Path | None, typer.Option(help="Also draw it into this PNG, PDF or SVG file.")] = None,
    payload_bytes: Annotated[
        list[int] | None, typer.Option(help="Draw what an upload of so many bytes leaves of the SLO; may be repeated.")
    ] = None,
    slo_ms: Annotated[float, typer.Option(help="The SLO for --payload-bytes, ms.")] = 1000.0,
) -> None:
    """Everything about one trace: origin, licence, citation, statistics, and a plot.

    Examples:

      sponge-bench traces show ghent-4g/bus_0001

      sponge-bench traces show nyu-mets/bus57 --png bus57.png
    """
    trace = load_trace(name, mirror)
    if trace.is_synthetic:
        typer.echo(f"{trace.name} stands in for {name}: {trace.provenance.synthetic_because}", err=True)
    found, origin = statistics_of(trace), trace.provenance
    for key, value in (("name", trace.name), *origin_rows(name, origin), *number_rows(trace, found)):
        typer.echo(f"{key:<16} {value}")
    typer.echo()
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(text_plot(plotted(trace), found.seconds, found.unit, unicode=unicode))
    if png:
        save_figure(_remaining(trace, payload_bytes, slo_ms) if payload_bytes else draw_trace(trace), png)
        typer.echo(f"wrote {png}")


def _remaining(trace: Trace, payloads_bytes: list[int], slo_ms: float) -> Any:
    if min(payloads_bytes) < 1 or not (math.isfinite(slo_ms) and slo_ms > 0.0):
        raise UsageError("traces show: --payload-bytes must be >= 1 and --slo-ms > 0")
    if not isinstance(trace, BandwidthTrace):
        raise UsageError(f"traces show: --payload-bytes needs a network trace; {trace.name} holds arrivals")
    return draw_remaining_slo(trace, payloads_bytes, slo_ms / 1000.0)


@app.command("fetch")
def fetch_traces(
    name: Annotated[str, typer.Argument(help="A trace, a file or a whole dataset, e.g. nyu-mets.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything whose terms are open (or accepted).")] = False,
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="You have read the terms of sets that are not open.")
    ] = False,
    mirror: Mirror = None,
) -> None:
    """Download, verify (sha256) and keep. An interrupted download goes on where it stopped.

    Examples:

      sponge-bench traces fetch ghent-4g/bus_0001

      sponge-bench traces fetch memu22 --accept-license
    """
    if everything == bool(name):
        raise UsageError("traces fetch: needs either a name or --all")
    wanted = [
        file for file in (files() if everything else _named(name)) if file.url or local_file(file, mirror_dir(mirror))
    ]
    if not wanted:
        raise UsageError(f"traces fetch: {name!r} has no address to fetch from; see its dataset's notes")
    missing = [file for file in wanted if local_file(file, mirror_dir(mirror)) is None]
    typer.echo(f"{len(wanted) - len(missing)} of {len(wanted)} files are here already")
    refused = (
        sorted({file.dataset.name for file in missing if file.dataset.terms != "open"}) if not accept_license else []
    )
    for dataset in dict.fromkeys(file.dataset for file in wanted):
        _say_terms(dataset)
    if refused and not everything:
        raise UsageError(
            f"traces fetch: the terms of {', '.join(refused)} are not open; read them, then add --accept-license"
        )
    for dataset_name in refused:
        typer.echo(f"skipped {dataset_name}: its terms are not open; read them, then add --accept-license", err=True)
    _download_all([file for file in missing if file.dataset.name not in refused], accept_license=accept_license)


def _named(name: str) -> list[TraceFile]:
    of_dataset = [file for file in files() if file.dataset.name == name]
    below = [file for file in files() if file.name == name or file.name.startswith(f"{name}/")]
    above = [file for file in files() if file.name and name.startswith(f"{file.name}/")]
    part = slices().get(name)
    found = of_dataset or below or (_named(part.trace) if part else []) or above
    if not found:
        raise unknown_name("traces", "trace or dataset", name, [*by_name(), *datasets(), *slices()])
    return found


def _say_terms(dataset: Dataset) -> None:
    typer.echo(f"{dataset.name}: licence {dataset.licence}\n  cite: {dataset.citation}")


def _download_all(wanted: list[TraceFile], *, accept_license: bool) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    failed: list[str] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for file in wanted:
            task = progress.add_task(Path(file.file).name, total=file.bytes)
            try:
                fetched(file, None, _to_bar(progress, task), accept_license=accept_license)
                typer.echo(f"fetched {file.file} (sha256 verified)")
            except Unreachable as error:
                failed.append(str(error))
                typer.echo(f"failed: {error}", err=True)
            progress.remove_task(task)
    if failed:
        raise BenchError(
            f"traces fetch: {len(failed)} of {len(wanted)} files could not be fetched; the first: {failed[0]}"
        )


def _to_bar(progress: Progress, task: TaskID) -> Callable[[int, int], None]:
    return lambda done, _all: progress.update(task, completed=done)


@app.command("check")
def check_trace(
    file: Annotated[Path, typer.Argument(help="Any trace file; it need not be in the catalogue.")],
    form: Annotated[str, typer.Option("--format", help="Its format; guessed from the file when not given.")] = "",
) -> None:
    """Parse a file and report every fault with its line. Exit code 3 when there is one.

    Examples:

      sponge-bench traces check report_bus_0001.log

      sponge-bench traces check office.csv --format csv
    """
    faults: list[str] = []
    traces: list[Trace] = []
    parser = parser_of(file, form)
    try:
        traces = list(read_all(parser, Source(file, faults.append)).values())
    except UsageError as fault:
        faults.append(str(fault))
    for line in faults:
        typer.echo(line)
    if faults:
        raise CheckError(f"{file}: {len(faults)} fault{'s' if len(faults) > 1 else ''}, read as {parser}")
    typer.echo(f"{file}: no fault; {parser}, {len(traces)} trace{'s' if len(traces) > 1 else ''}")
    for trace in traces:
        found = statistics_of(trace)
        typer.echo(
            f"  {trace.name}: {found.seconds:g} s, mean {found.mean:.3f} {found.unit}, {found.zero_share:.1%} at zero"
        )


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Time and Mbit/s as CSV, mahimahi deliveries, counts per second, ...")],
    name: Annotated[str, typer.Option("--as", help="What to call it, e.g. office/wifi.")],
    form: Annotated[str, typer.Option("--format", help="Its format; guessed from the file when not given.")] = "",
    direction: Annotated[str, typer.Option(help="up or down; what a network trace measured.")] = "",
    licence: Annotated[str, typer.Option(help="Its licence, for the manifests.")] = "",
    citation: Annotated[str, typer.Option(help="Its source, for the manifests.")] = "",
) -> None:
    """Take in a trace of your own; from then on its name works everywhere. Positions and other columns are dropped.

    Examples:

      sponge-bench traces import office.csv --as office/wifi

      sponge-bench traces import a.up --as lab/a --format mahimahi
    """
    if direction not in ("", "up", "down"):
        raise bad_value("traces import", "direction", direction, "must be up or down")
    parser = parser_of(file, form)
    for trace in import_trace(file, parser, name, Provenance(licence=licence, citation=citation), direction):
        found = statistics_of(trace)
        typer.echo(f"{trace.name}: {parser}, {found.seconds:g} s, mean {found.mean:.3f} {found.unit}")


def _plain(value: Any) -> Any:
    """JSON has no nan."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
