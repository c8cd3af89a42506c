"""The floor of a stored simulated run, the clairvoyant schedule in it, and how far every system is from the floor."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harness.errors import UsageError
from harness.latency import LatencyModel
from harness.oracle.floor import Floor, Proven
from harness.run.bench import Prepared, RunRequest, conditions_of, prepare
from harness.run.foresight import Known, foresight_of
from harness.run.host import code_facts
from harness.run.plans import PlannedSeed, plan_path
from harness.run.rebuilt import model_of_simulated, spec_of_simulated
from harness.run.simulated import Task, run_task
from harness.run.twin_model import TwinModel
from harness.scenario import Scenario
from harness.settings import from_mapping
from harness.tables import DECISIONS, read_parquet, write_parquet
from harness.traces import Trace

ORACLE = "oracle"
FILE = "oracle.json"
VERSION = 1
RELAXATION = (
    "linear program solved with PuLP's CBC: a mix of core counts per control interval, fractional requests, batches as "
    "large as the requests at hand allow; its prices checked in exact arithmetic"
)
CURVE_PER_CENT = (*np.linspace(0.0, 1.0, 21).tolist(), *np.linspace(1.25, 10.0, 36).tolist())  # where the floor is told


@dataclass(frozen=True, slots=True)
class Spent:
    """What one system spent and missed on one seed's plan. replicas: the most it ever had."""

    system: str
    violations: int
    granted_core_s: float
    replicas: int


def scenario_of(manifest: Mapping[str, Any]) -> Scenario:
    """The scenario a run recorded, so that it need not be what its file says today."""
    return from_mapping(Scenario, manifest["scenario"], "manifest.json: scenario")


def model_of_run(folder: Path, manifest: Mapping[str, Any]) -> TwinModel:
    """The model the run of `manifest` used. Raises UsageError, naming both, when only another one is at hand."""
    return model_of_simulated(scenario_of(manifest), manifest, str(folder))


def refuse_other_code(folder: Path, manifest: Mapping[str, Any], oracle_commit: str | None) -> None:
    """Raise UsageError, naming both, when a run and its oracle are not of the same commit."""
    run_commit = manifest.get("git_commit")
    if run_commit != oracle_commit:
        raise UsageError(
            f"{folder}: the run is of commit {run_commit}, its oracle of commit {oracle_commit}; must be the same. "
            "Run the scenario again, with the oracle among its systems"
        )


def add_oracle(folder: Path, manifest: Mapping[str, Any], model: TwinModel, traces: dict[str, Trace]) -> None:
    """Simulate the oracle on the plan that `manifest`, of another system in this run, was made with. It joins the run
    when it is whole: interrupted, it leaves the run as it was.

    Raises UsageError when the run was made by another commit.
    """
    scenario, seed = scenario_of(manifest), int(manifest["seed"])
    refuse_other_code(folder, manifest, code_facts()["git_commit"])
    prepared = prepared_again(folder, scenario, manifest, model, traces)
    plan = PlannedSeed(seed, plan_path(folder, seed), dict(manifest["plan"]), manifest["plan_sha256"])
    own = folder / ORACLE / f"seed-{seed}"
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as scratch:
        run_task(Task(replace(prepared, folder=Path(scratch)), ORACLE, plan, model))
        shutil.rmtree(own, ignore_errors=True)
        own.parent.mkdir(exist_ok=True)
        shutil.move(Path(scratch) / ORACLE / own.name, own)


def prepared_again(
    folder: Path, scenario: Scenario, manifest: Mapping[str, Any], model: TwinModel, traces: dict[str, Trace]
) -> Prepared:
    """A finished run as if it were still being made, to add to it."""
    request = RunRequest(
        scenario, (ORACLE,), (int(manifest["seed"]),), folder.parent.parent, model=manifest["model"]["name"],
        asked=manifest.get("asked", {}).get("scenario", ""),
    )  # fmt: skip
    found = prepare(request, model.latency, traces, folder.name)
    return replace(found, folder=folder)


def floor_of(folder: Path, manifest: Mapping[str, Any], model: TwinModel) -> Floor:
    """The floor of the plan of a run's seed, in the twin that the run of `manifest` happened in."""
    scenario = scenario_of(manifest)
    conditions = conditions_of(scenario, LatencyModel.from_dict(manifest["latency"]))
    spec = spec_of_simulated(manifest, str(folder))
    known = Known(spec, int(manifest["seed"]), model.ratios)
    return Floor.of(foresight_of(scenario, ORACLE, conditions, plan_path(folder, int(manifest["seed"])), known))


def typical_floor(floor: Floor) -> Floor | None:
    """The floor if every batch took the mean of what can be drawn; None where nothing is drawn.

    Proven for a twin with exactly these service times; one that draws them can be luckier, on average it is not.
    """
    ratios = floor.foresight.ratios
    return Floor.of(replace(floor.foresight, least_ratio=float(np.mean(ratios)))) if ratios else None


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one seed's plan. typical: with mean service times, where they are drawn."""

    floor: Floor
    proven: Proven
    typical: tuple[Floor, Proven] | None = None

    @classmethod
    def of(cls, floor: Floor) -> Account:
        """Solve and prove everything."""
        typical = typical_floor(floor)
        return cls(floor, floor.prove(), None if typical is None else (typical, typical.prove()))

    def entry(self, manifest: Mapping[str, Any], spent: Sequence[Spent]) -> dict[str, Any]:
        """One seed's entry of oracle.json. spent: all systems of the run, the oracle among them."""
        floor, proven = self.floor, self.proven
        planned, unmeetable = int(manifest["counts"]["planned"]), floor.windows.unmeetable
        own = next(entry for entry in spent if entry.system == ORACLE)
        bound_core_s, duration_s = proven.core_s(own.violations - unmeetable), floor.foresight.duration_s
        shares = {round(planned * share / 100) for share in CURVE_PER_CENT}
        curve = sorted(v for v in shares | {entry.violations for entry in spent} if v >= unmeetable)
        return {
            "seed": manifest["seed"],
            "planned": planned,
            "unmeetable": unmeetable,
            "fewest_violations": unmeetable + proven.fewest_misses,
            "least_ratio": floor.foresight.least_ratio,
            "bound_core_s": bound_core_s,
            "bound_cores": bound_core_s / duration_s,
            "any_scaling_core_s": floor.any_scaling_core_s(max(0, own.violations - unmeetable)),
            "schedule": {**asdict(own), "mean_cores": own.granted_core_s / duration_s},
            "gap": own.granted_core_s / bound_core_s - 1 if bound_core_s > 0 else None,
            "floor": [{"violations": v, "core_s": proven.core_s(v - unmeetable)} for v in curve],
            "typical": self._typical(own),
            "systems": [self._compared(entry) for entry in spent],
        }

    def _typical(self, own: Spent) -> dict[str, Any] | None:
        if self.typical is None:
            return None
        return {"ratio": self.typical[0].foresight.least_ratio, "core_s": floor_for(*self.typical, own)}

    def _compared(self, entry: Spent) -> dict[str, Any]:
        """A system beside the floor for as many misses as it had."""
        core_s = floor_for(self.floor, self.proven, entry)
        return {
            **asdict(entry),
            "floor": "one replica" if entry.replicas <= 1 else "any scaling",
            "floor_core_s": core_s,
            "ratio": entry.granted_core_s / core_s if core_s > 0 else None,
        }


def floor_for(floor: Floor, proven: Proven, entry: Spent) -> float:
    """The floor that holds for a system with as many violations and replicas, core-seconds."""
    misses = entry.violations - floor.windows.unmeetable
    return proven.core_s(misses) if entry.replicas <= 1 else floor.any_scaling_core_s(max(0, misses))


def most_replicas(folder: Path) -> int:
    """The most replicas that ever existed in one folder's run."""
    counts = read_parquet(folder / "decisions.parquet", DECISIONS, ("effective_replicas",))["effective_replicas"]
    start = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["start"]["replicas"]
    return max([int(start), *(int(n) for n in counts.to_pylist() if n is not None)])


def write_account(folder: Path, entries: list[dict[str, Any]]) -> Path:
    """Write oracle.json into the run's folder; entries of other seeds that are there stay."""
    path = folder / FILE
    before = json.loads(path.read_text(encoding="utf-8"))["seeds"] if path.is_file() else []
    seeds = {entry["seed"] for entry in entries}
    merged = sorted([e for e in before if e["seed"] not in seeds] + entries, key=lambda entry: int(entry["seed"]))
    text = json.dumps({"schema_version": VERSION, "relaxation": RELAXATION, "seeds": merged}, indent=1)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def write_prices(folder: Path, floor: Floor, proven: Proven, misses: int) -> None:
    """Write the certificate beside the oracle's rows: the prices that prove most for so many misses."""
    borders_s = floor.slots.borders_s
    columns = {"begin_s": borders_s[:-1], "end_s": borders_s[1:], "price_core_s": proven.best(misses).prices}
    write_parquet(folder / "prices.parquet", pa.table({name: np.asarray(v) for name, v in columns.items()}))
