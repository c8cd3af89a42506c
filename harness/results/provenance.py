"""Whether the traces behind a run were measured. A generated one must be called so wherever its numbers are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.types import BY_NAME


def generated_traces(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Why each generated trace of a run stands there, by its name; empty where all are measured."""
    made = [trace for trace in manifest.get("traces") or () if trace.get("synthetic_because")]
    return {str(trace.get("name", "a trace")): str(trace["synthetic_because"]) for trace in made}


def trace_note(manifests: Iterable[Mapping[str, Any]]) -> str:
    """One sentence about the generated traces of runs; empty where all are measured."""
    found: dict[str, str] = {}
    for manifest in manifests:
        found |= generated_traces(manifest)
    wanted = [name for name, because in found.items() if because == BY_NAME]
    others = [f"{name} ({because})" for name, because in found.items() if because != BY_NAME]
    parts = [f"SYNTHETIC, in place of measured traces: {', '.join(others)}"] if others else []
    parts += [f"generated traces, as the scenario asks: {', '.join(wanted)}"] if wanted else []
    return "; ".join(parts)
