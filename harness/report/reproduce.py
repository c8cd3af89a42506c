"""The exact command that runs it again, and the manifests without repetition."""

from __future__ import annotations

import json
import shlex
from typing import Any

from harness.report.gather import Gathered


def commands(run: Gathered) -> list[str]:
    """Shell commands, one a line: the code, then the run."""
    facts = run.facts
    lines = [f"git checkout {facts['git_commit']}"] if facts.get("git_commit") else []
    parts = ["sponge-bench", "run", str(run.scenario["name"]), "--backend", str(facts["backend"]["backend"])]
    parts += ["--systems", ",".join(run.systems), "--seeds", str(max(run.seeds))]
    if facts.get("model", {}).get("name") != run.scenario["service"]["model"]:
        parts += ["--model", str(facts.get("model", {}).get("name"))]
    return [*lines, shlex.join(parts)]


def caveats(run: Gathered) -> list[str]:
    """What the commands alone do not bring back."""
    facts, found = run.facts, []
    if facts.get("git_dirty"):
        found.append("the code had uncommitted changes, so its commit alone is not what ran")
    if run.seeds != tuple(range(1, max(run.seeds) + 1)):
        found.append(f"only seeds {', '.join(map(str, run.seeds))} are in this folder; the command runs 1 to the last")
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
