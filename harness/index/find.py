"""Choosing among entries, and from a figure back to its runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.index.cache import index
from harness.index.entries import Entry, manifests_of, read_entry
from harness.results.folders import object_if_any

SHORTEST_COMMIT = 4
SIDECAR_KEYS = ("runs", "sweeps", "run", "sweep")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What entries to keep; empty fields keep all. since: the earliest start. commit: the first digits of one."""

    scenario: str = ""
    system: str = ""
    since: datetime | None = None
    commit: str = ""
    valid_only: bool = False

    def matches(self, entry: Entry) -> bool:
        """Whether an entry is wanted. One whose start is not known is not since any date."""
        return (
            self.scenario in ("", entry.scenario)
            and (not self.system or self.system in entry.systems)
            and (self.since is None or (bool(entry.started_utc) and parse_utc(entry.started_utc) >= self.since))
            and entry.commit.startswith(self.commit)
            and (entry.valid or not self.valid_only)
        )


def parse_utc(text: str, place: str = "started_utc") -> datetime:
    """A date or a time, ISO 8601; without a zone it is UTC. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{place} = {text!r}; must be a date or time, e.g. 2026-11-22 or 2026-11-22T18:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def select(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """The wanted entries, in their order. Raises UsageError for a commit that is not the start of one."""
    if wanted.commit and (len(wanted.commit) < SHORTEST_COMMIT or set(wanted.commit) - set("0123456789abcdef")):
        raise UsageError(f"--commit = {wanted.commit!r}; must be at least {SHORTEST_COMMIT} hexadecimal digits")
    return [entry for entry in entries if wanted.matches(entry)]


def newest_run(results: Path, scenario: str = "", *, valid_only: bool = True) -> Entry:
    """The run (not sweep) that started last. Raises UsageError when there is none, saying what there is."""
    runs = [entry for entry in index(results) if entry.kind == "run" and scenario in ("", entry.scenario)]
    usable = [entry for entry in runs if entry.valid or not valid_only]
    if usable:
        return usable[-1]
    what = f"run of {scenario}" if scenario else "run"
    if runs:
        raise UsageError(f"{results}: {len(runs)} {what}, none of them valid; the last: {runs[-1].problems[0]}")
    known = sorted({entry.scenario for entry in index(results)})
    there = f"there are runs of: {', '.join(known)}" if known else "nothing was run yet: make bench"
    raise UsageError(f"{results}: no {what}; {there}")


def runs_behind(figure: Path, results: Path) -> list[Entry]:
    """The runs and sweeps a figure was drawn from, as the JSON file beside it names them (`<figure>.json`, or the
    figure's name with the ending .json): folders, or ids looked up under `results`.

    Raises UsageError when there is no such file, when it names none, and for a name that is nowhere any more.
    """
    sidecar = sidecar_of(figure)
    facts = object_if_any(sidecar)
    if facts is None:
        raise UsageError(f"{sidecar}: not a JSON object; must name the figure's runs")
    names = list(dict.fromkeys(name for key in SIDECAR_KEYS for name in _names_in(facts.get(key))))
    if not names:
        raise UsageError(f"{sidecar}: names no runs; must have one of the keys {', '.join(SIDECAR_KEYS)}")
    known = {entry.name: entry for entry in index(results)}
    return [_entry_named(name, sidecar, results, known) for name in names]


def sidecar_of(figure: Path) -> Path:
    """The JSON file beside a figure. Raises UsageError when there is none."""
    places = [figure, figure.with_name(f"{figure.name}.json"), figure.with_suffix(".json")]
    if found := [path for path in places if path.suffix == ".json" and path.is_file()]:
        return found[0]
    raise UsageError(f"{figure}: no {places[-1].name} beside it; only figures with one can be traced to their runs")


def _names_in(value: Any) -> Iterator[str]:
    """The names in a text, a list of texts, or objects with a folder or an id."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _names_in(one)
    elif isinstance(value, dict):
        named = [value[key] for key in ("folder", "path", "run_id", "id", "name") if isinstance(value.get(key), str)]
        yield from named[:1]


def _entry_named(name: str, sidecar: Path, results: Path, known: dict[str, Entry]) -> Entry:
    for place in (Path(name), sidecar.parent / name, results / name):
        for folder in (place, *place.parents[:2]):  # a folder of one system and seed lies two below its run's
            if folder.is_dir() and manifests_of(folder):
                return read_entry(folder)
    if Path(name).name in known:
        return known[Path(name).name]
    raise UsageError(f"{sidecar}: names {name!r}, which is neither a folder nor a run under {results}")
