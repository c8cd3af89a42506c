"""The exact command that runs it again, and the manifests without repetition."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from harness.report.gather import Gathered

SWEEP = "sweep-"  # how the folder of a point of a sweep begins


def commands(run: Gathered) -> list[str]:
    """Shell commands, one a line: the code, then the run; none when there is none that works, `caveats` says why."""
    if _is_point(run):
        return []
    facts = run.facts
    lines = [f"git checkout {facts['git_commit']}"] if facts.get("git_commit") else []
    parts = ["sponge-bench", "run", _scenario(run), "--backend", str(facts["backend"]["backend"])]
    parts += ["--systems", ",".join(run.systems)]
    if facts.get("model", {}).get("name") != run.scenario["service"]["model"]:
        parts += ["--model", str(facts.get("model", {}).get("name"))]
    return [*lines, *(shlex.join([*parts, *_seed_options(stretch)]) for stretch in stretches(run.seeds))]


def stretches(seeds: Sequence[int]) -> list[list[int]]:
    """Ascending seeds, cut where one does not follow the other."""
    found: list[list[int]] = []
    for seed in seeds:
        if found and seed == found[-1][-1] + 1:
            found[-1].append(seed)
        else:
            found.append([seed])
    return found


def _seed_options(stretch: Sequence[int]) -> list[str]:
    first = [] if stretch[0] == 1 else ["--first-seed", str(stretch[0])]
    return ["--seeds", str(len(stretch)), *first]


def _scenario(run: Gathered) -> str:
    return str(_asked(run) or run.scenario["name"])


def _asked(run: Gathered) -> str:
    """The scenario as it was asked for; empty when the manifest does not say."""
    return str(run.facts.get("asked", {}).get("scenario") or "")


def _is_point(run: Gathered) -> bool:
    return run.folder.resolve().name.startswith(SWEEP)


def caveats(run: Gathered) -> list[str]:
    """What the commands alone do not bring back."""
    facts, found = run.facts, []
    if _is_point(run):
        found.append("there is no command for one point of a sweep alone; its scenario, as changed, is in the manifest")
    elif not _asked(run):
        found.append("the manifest does not say which file the scenario came from; the command takes the shipped one")
    elif _asked(run).endswith(".toml"):
        found.append("the scenario is a file outside the shipped ones; what it said then is in the manifest")
    if facts.get("git_dirty"):
        found.append("the code had uncommitted changes, so its commit alone is not what ran")
    if len(stretches(run.seeds)) > 1 and not _is_point(run):
        found.append(
            "its seeds do not follow one another, so there is a command for each stretch, each a run by itself"
        )
    model = facts["backend"].get("model")
    if run.is_simulated and isinstance(model, dict) and model.get("kind") == "measured":
        found.append(
            f"service times are those of the latency profile {model['name']} measured {model['measured_utc']} "
            f"(key {model['key']}); with another profile other numbers come out"
        )
    if not run.is_simulated:
        found.append("it was measured: the plan is the same again, the times are not")
    return found


def shared_and_own(run: Gathered) -> tuple[str, list[tuple[str, str]]]:
    """All manifests as JSON: what every one says alike, and per member what only it says."""
    manifests = {member.name: dict(member.manifest) for member in run.members}
    first = next(iter(manifests.values()))
    shared = {
        key: value for key, value in first.items() if all(key in m and m[key] == value for m in manifests.values())
    }
    if len(manifests) == 1:
        return _json(first), []
    own = [(name, _json({k: v for k, v in m.items() if k not in shared})) for name, m in manifests.items()]
    return _json(shared), own


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True)
