"""All a page needs of a run, read once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.autopsy import Examined, Rescue, examine
from harness.autopsy.rescue import Bools
from harness.results import CoreSeries, Summary, core_series, summarise
from harness.results.folders import readable_folders, unfinished_in
from harness.tables import PLAN, read_parquet

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """Replays of one folder with one thing changed, or why there are none. See `harness.autopsy.rescue`.

    ids: of the requests, in the order of `violated`.
    """

    violated: Bools | None = None
    changes: tuple[Rescue, ...] = ()
    label: str = ""
    why_not: str = ""
    ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One system on one seed of a run."""

    folder: Path
    summary: Summary
    examined: Examined
    cores: CoreSeries
    due: pd.DataFrame

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Its manifest."""
        return self.examined.manifest

    @property
    def system(self) -> str:
        """Name of the system."""
        return self.summary.system

    @property
    def seed(self) -> int:
        """The seed."""
        return self.summary.seed

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.system}, seed {self.seed}"

    def batches(self) -> tuple[Floats, Floats]:
        """When each batch started, s, and its size."""
        first = self.examined.requests.drop_duplicates("batch_id").dropna(subset=["started_s", "batch_size"])
        return first["started_s"].to_numpy(float), first["batch_size"].to_numpy(float)

    def queue_peaks(self, edges_s: Floats) -> Floats:
        """The longest queue in each bin. What is served at once never queued."""
        requests = self.examined.requests
        left_s = requests["started_s"].fillna(requests["received_s"])
        waits = (left_s > requests["queued_s"]).to_numpy()
        begin_s, end_s = requests["queued_s"].to_numpy()[waits], left_s.to_numpy()[waits]
        times_s = np.concatenate((end_s, begin_s))
        steps = np.repeat((-1.0, 1.0), len(begin_s))
        order = np.argsort(times_s, kind="stable")  # of one instant, those who leave first
        length = np.concatenate(([0.0], np.cumsum(steps[order])))
        cuts = np.searchsorted(times_s[order], edges_s)
        return np.array([length[a : b + 1].max() for a, b in itertools.pairwise(cuts)])


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A run: its members by system in the scenario's order, then by seed.

    notes: what else a reader must know. unfinished: sessions that did not end, begun or only asked for, by name.
    replayed: by (system, seed), for the members shown in full.
    """

    folder: Path
    members: tuple[Member, ...]
    notes: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    replayed: Mapping[tuple[str, int], Replayed] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The manifest of the first member: what all share."""
        return self.members[0].manifest

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The resolved scenario."""
        found: Mapping[str, Any] = self.facts["scenario"]
        return found

    @property
    def duration_s(self) -> float:
        """Duration of the plan."""
        return float(self.scenario["plan"]["duration_s"])

    @property
    def is_simulated(self) -> bool:
        """Whether it ran in virtual time."""
        return bool(self.facts["backend"]["backend"] == "simulated")

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems, in order."""
        return tuple(dict.fromkeys(member.system for member in self.members))

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, ascending."""
        return tuple(sorted({member.seed for member in self.members}))

    @property
    def valid(self) -> tuple[Member, ...]:
        """The members whose numbers may be used."""
        return tuple(member for member in self.members if member.summary.valid)

    def of(self, system: str) -> tuple[Member, ...]:
        """The valid members of one system; all of them when none is valid."""
        mine = tuple(member for member in self.members if member.system == system)
        return tuple(member for member in mine if member.summary.valid) or mine

    def shown(self) -> tuple[Member, ...]:
        """Per system the member that is shown in full: the one with the most violations, the first of equals."""
        return tuple(max(self.of(system), key=lambda member: member.summary.violations) for system in self.systems)


def gather(run: Path) -> Gathered:
    """Read a run, as far as its sessions left results. Raises UsageError when none did, or one is of another schema."""
    members = [_member(folder) for folder in readable_folders(run)]
    order = [*members[0].manifest["scenario"]["systems"]]
    rank = {name: index for index, name in enumerate(order)}
    members.sort(key=lambda one: (rank.get(one.system, len(rank)), one.system, one.seed))
    return Gathered(run, tuple(members), unfinished=tuple(unfinished_in(run)))


def _member(folder: Path) -> Member:
    plan = folder.parents[1] / "plans" / folder.name / "plan.parquet"
    due = read_parquet(plan, PLAN, ("due_s", "deadline_s")).to_pandas()
    return Member(folder, summarise(folder), examine(folder), core_series(folder), due)
