"""Replays of a run with one thing changed, as the layers that read results want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.autopsy import Examined, Rescue
from harness.autopsy.rescue import Bools
from harness.errors import UsageError
from harness.run.whatif import replay_folder

MOST_REPLAYED = 500_000  # requests of one system and seed; more would take minutes


@dataclass(frozen=True, slots=True, eq=False)
class Rescues:
    """What alone would have saved the violations of one folder. replayed: the violations of the unchanged replay.

    label: what the replays are, for people; why_not: when there are none, the reason. ids: of the requests, ascending,
    in the order of `replayed`.
    """

    replayed: Bools | None
    changes: tuple[Rescue, ...]
    label: str
    why_not: str = ""
    ids: Sequence[int] = ()


def rescues_of(console: Console, folder: Path, examined: Examined) -> Rescues:
    """Replay a folder with every change, when it has violations and can be replayed; says so while it does."""
    if not examined.requests["violated"].any():
        return Rescues(None, (), "", "no violations")
    if examined.planned > MOST_REPLAYED:
        return Rescues(None, (), "", f"not replayed: {examined.planned} requests, more than {MOST_REPLAYED}")
    place = f"{examined.system}, seed {examined.seed}"
    try:
        with console.status(f"replaying {place}, one thing changed at a time (not with --no-whatif) ..."):
            found = replay_folder(folder, examined.manifest)
    except UsageError as error:
        return Rescues(None, (), "", f"not replayed: {error}")
    changes = tuple(Rescue(c.name, c.size, violated, c.is_chance) for c, violated in found.changed)
    what = "the twin of this real run" if found.is_real else "this run simulated again"
    parts = [f"{what}; unchanged it agrees with the run on {found.agrees:.1%} of requests", *found.notes]
    return Rescues(found.unchanged, changes, "; ".join(parts), ids=found.ids.tolist())
