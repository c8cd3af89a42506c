"""`sponge-bench nightly` and `sponge-bench reference`: what moved since the reference, and renewing it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.again import sponge_bench
from harness.cli.matrix_run import RealRuns, Twin, default_processes, run_real, run_twin
from harness.errors import CheckError, RunInvalid, UsageError, bad_value
from harness.nightly.judge import Comparison, compare, compare_noisy, differences, seed_luck
from harness.nightly.matrix import Matrix, load_matrix
from harness.nightly.numbers import JUDGED, Numbers, to_table
from harness.nightly.reference import (
    Reference,
    history_path,
    read_reference,
    reference_path,
    renewed,
    write_history,
    write_reference,
)
from harness.nightly.summary import Night, as_json, line, lines, markdown
from harness.run.bench import new_run_id
from harness.run.host import code_facts, host_facts
from harness.tables import write_parquet

ROOT = Path(__file__).resolve().parents[2]
MATRIX = ROOT / "scenarios" / "matrix" / "nightly.toml"
REFERENCE = ROOT / "results" / "reference"
NIGHTS = ROOT / "results" / "nightly"
HOST = ("cpu", "cores", "cgroup")
WANTED = ("auto", "never", "always")

MatrixFile = Annotated[Path, typer.Option(help="The matrix, a TOML file.")]
ReferenceFolder = Annotated[Path, typer.Option(help="Folder of the references.")]
Mirror = Annotated[Path | None, typer.Option(help="Folder with the traces' files, in place of a download.")]
RealRun = Annotated[
    str, typer.Option("--real", help="The short run on Docker: auto (where one answers), never, always.")
]
Processes = Annotated[int, typer.Option(min=0, help="Processes for the twin; 0: one per core.")]


def nightly(
    out: Annotated[Path | None, typer.Option(help="Folder for everything.  [default: results/nightly/<when>]")] = None,
    real: RealRun = "auto",
    exact: Annotated[
        bool, typer.Option("--exact", help="Fail for any number that moved, not only for a worse one.")
    ] = False,
    matrix: MatrixFile = MATRIX,
    reference: ReferenceFolder = REFERENCE,
    mirror: Mirror = None,
    processes: Processes = 0,
) -> None:
    """Run the matrix and compare it with the reference.

    In the twin every number must be exactly that of the reference. Exit code 3 when one got worse by more than its
    margin, when something cannot be compared, or when the same system twice was not the same. A number that moved
    otherwise is said loudly and renewed with `make reference`. OUT gets summary.md, summary.json, numbers.parquet and
    all runs.

    Examples:

      sponge-bench nightly --real never

      sponge-bench nightly --out /tmp/night --exact
    """
    plan, place = load_matrix(matrix), out or NIGHTS / new_run_id()
    before = read_reference(reference_path(reference, plan.name))
    if not before.rows:
        raise UsageError(f"{reference_path(reference, plan.name)}: no reference; make one: make reference REASON=...")
    twin, night = twin_night(plan, before, place, mirror, processes)
    runs = run_real(plan.real, checked(real), place, typer.echo)
    night = with_real(night, plan, runs, read_reference(real_path(reference, plan)))
    keep(place, night, [*twin.numbers, *runs.first, *runs.again])
    for text in lines(night):
        typer.echo(text)
    write_reports(place, [*twin.folders[:1], *runs.folders[:1]])
    typer.echo(f"wrote {place}")
    conclude(night, exact=exact, must_be_real=real == "always")


def conclude(night: Night, *, exact: bool, must_be_real: bool) -> None:
    """Say the verdict. Raises CheckError when the night failed, RunInvalid when the real run must count and cannot."""
    if night.failed or (exact and night.moved):
        raise CheckError(f"{night.name}: {night.verdict()}")
    if must_be_real and any("INVALID" in text for text in night.real_said):
        raise RunInvalid(f"{night.name}: {'; '.join(night.real_said)}")
    typer.echo(f"{night.name}: {night.verdict()}")


def renew(
    reason: Annotated[str, typer.Option(help="Why the numbers may be others from now on; kept beside them.")] = "",
    real: RealRun = "never",
    matrix: MatrixFile = MATRIX,
    reference: ReferenceFolder = REFERENCE,
    mirror: Mirror = None,
    processes: Processes = 0,
) -> None:
    """Take the numbers of now as the reference, after showing what moved.

    Writes REFERENCE/<matrix>.json (commit it) and adds a line with the reason to <matrix>-history.jsonl. Refuses
    without a reason. Writes nothing when every number is the reference's.

    Examples:

      sponge-bench reference --reason "sponge: headroom 0.9 -> 0.85, fewer violations for more cores"
    """
    if not reason.strip():
        raise UsageError(
            "reference: --reason is empty; must say why the numbers may change: make reference REASON='...'"
        )
    plan = load_matrix(matrix)
    path = reference_path(reference, plan.name)
    before, place = read_reference(path), NIGHTS / new_run_id()
    twin, night = twin_night(plan, before, place, mirror, processes)
    runs = run_real(plan.real, checked(real), place, typer.echo)
    for text in (*lines(night), *runs.said):
        typer.echo(text)
    if night.nondeterministic:
        raise CheckError(f"reference: {night.verdict()}")
    taken = {**facts(), "reason": reason.strip()}
    if night.twin.changes or night.twin.unlike or night.twin.fresh:
        write_reference(path, renewed(before, twin.numbers, taken, twin.skipped))
        write_history(history_path(reference, plan.name), taken, night.twin)
        typer.echo(f"wrote {path}")
    else:
        typer.echo("every number is the reference's: nothing written")
    keep_real(real_path(reference, plan), runs, taken, must_be=real == "always")


def keep_real(path: Path, runs: RealRuns, taken: Mapping[str, Any], *, must_be: bool) -> None:
    """Take the real run as the reference of one: both halves are needed, for the second is what says how far the first
    can be trusted. Raises RunInvalid when it must be and one of them cannot count."""
    if runs.first and runs.again:
        write_reference(path, Reference(runs.first, taken))
        typer.echo(f"wrote {path}")
    elif must_be:
        raise RunInvalid(f"{path}: not written; {'; '.join(runs.said)}")


def twin_night(plan: Matrix, before: Reference, place: Path, mirror: Path | None, processes: int) -> tuple[Twin, Night]:
    """The twin's part of a night."""
    place.mkdir(parents=True, exist_ok=True)
    twin = run_twin(plan, place, mirror, typer.echo, processes or default_processes())
    now = facts()
    again = plan.again
    home = Path(again.scenario).stem
    first = [row for row in twin.numbers if row.system == again.system and row.scenario == home]
    notes = [f"note: not as when the reference was taken: {text}" for text in before.surroundings_changed(now)]
    not_twice = [f"SKIPPED the same system twice: {home} was skipped"] if home in twin.skipped else []
    return twin, Night(
        name=plan.name,
        facts=now,
        margins=plan.margins,
        twin=compare(before.rows, twin.numbers, plan.margins, twin.skipped),
        luck=tuple(seed_luck(first, twin.other)),
        nondeterministic=tuple(differences(first, twin.again)),
        skipped=tuple(f"{scenario}: {why}" for scenario, why in twin.skipped.items()),
        notes=(*not_twice, *(notes if before.rows else ())),
    )


def with_real(night: Night, plan: Matrix, runs: RealRuns, before: Reference) -> Night:
    """The night with its real run: judged where the reference is of this host, else only said."""
    if not runs.first or not runs.again:
        return replace(night, real_said=runs.said)
    floor = compare_noisy(runs.first, runs.again, runs.again, plan.margins)
    said = [*runs.said, *(f"real, the same twice: {text}" for text in same_twice(floor))]
    here = {key: night.facts[key] for key in HOST}
    there = {key: before.taken.get(key) for key in HOST}
    if not before.rows:
        return replace(night, real_said=(*said, "real run: no reference of one yet, not judged"))
    if here != there:
        return replace(night, real_said=(*said, f"real run: not judged; the reference is of {there}, this is {here}"))
    judged = compare_noisy(before.rows, runs.first, runs.again, plan.margins)
    return replace(night, real=judged, real_said=tuple(said))


def same_twice(floor: Comparison) -> list[str]:
    """The noise floor, one line per system and judged metric that differs."""
    return [line(replace(change, kind="noise")) for change in floor.changes if change.metric in JUDGED]


def facts() -> dict[str, Any]:
    """When, of which code, with what: what the reference keeps beside its numbers."""
    host, code = host_facts(), code_facts()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": code["git_commit"],
        "dirty": code["git_dirty"],
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "pyarrow")},
        **{name: host[name] for name in ("python", "cpu", "cores", "cgroup")},
    }


def real_path(folder: Path, plan: Matrix) -> Path:
    """Where the reference of the real run lies."""
    return reference_path(folder, f"{plan.name}-real")


def checked(real: str) -> str:
    """The value of --real. Raises UsageError."""
    if real not in WANTED:
        raise bad_value("nightly", "--real", real, f"must be one of {', '.join(WANTED)}")
    return real


def keep(place: Path, night: Night, rows: list[Numbers]) -> None:
    """Write summary.md, summary.json and numbers.parquet."""
    (place / "summary.md").write_text(markdown(night), encoding="utf-8")
    (place / "summary.json").write_text(as_json(night), encoding="utf-8")
    write_parquet(place / "numbers.parquet", to_table(rows))


def write_reports(place: Path, runs: list[Path]) -> None:
    """A page per run; one that fails is said and stops nothing. One of all systems and seeds takes about a minute."""
    for run in runs:
        page = place / f"report-{run.parent.name}-{run.name}.html"
        code, _ = sponge_bench(["report", str(run), "--out", str(page), "--no-whatif"])
        if code:
            typer.echo(f"note: no report of {run.parent.name}: exit code {code}")
