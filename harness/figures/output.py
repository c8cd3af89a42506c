"""A drawn figure on disk: vector PDF and PNG, the caption, and a JSON file naming the runs behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.figures.style import Figure, in_style

PNG_DOTS_PER_IN = 300


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure, what it shows (one paragraph), and what it was drawn from.

    runs, sweeps: as their `source()` has them. numbers: values the figure states, so that they
    need not be read off it.
    """

    figure: Figure
    title: str
    caption: str
    runs: tuple[Mapping[str, Any], ...] = ()
    sweeps: tuple[Mapping[str, Any], ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a figure was not drawn, and the command that makes what it needs."""

    reason: str
    command: str

    def __str__(self) -> str:
        return f"{self.reason}; make it with: {self.command}"


def write(drawn: Drawn, out: Path, name: str) -> tuple[Path, ...]:
    """Write `<name>.pdf`, `.png`, `.md` and `.json` into `out`; the same data give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    pdf, png, text, sidecar = (out / f"{name}{ending}" for ending in (".pdf", ".png", ".md", ".json"))
    with in_style():
        drawn.figure.savefig(pdf, metadata={"CreationDate": None})
        drawn.figure.savefig(png, dpi=PNG_DOTS_PER_IN, metadata={"Software": None})
    text.write_text(caption_text(drawn), encoding="utf-8")
    facts = {
        "figure": name,
        "title": drawn.title,
        "caption": drawn.caption,
        "runs": list(drawn.runs),
        "sweeps": list(drawn.sweeps),
        "numbers": drawn.numbers,
    }
    sidecar.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return pdf, png, text, sidecar


def caption_text(drawn: Drawn) -> str:
    """The caption with its sources, as Markdown."""
    sources = [source_line(source) for source in (*drawn.runs, *drawn.sweeps)]
    return "\n".join([f"**{drawn.title}.** {drawn.caption}", "", *(f"- {line}" for line in sources), ""])


def source_line(source: Mapping[str, Any]) -> str:
    """One run in words: scenario, run, seeds, backend, scenario's sha256, commit."""
    dirty = " with uncommitted changes" if source.get("git_dirty") else ""
    left_out: Sequence[str] = source.get("invalid_left_out") or ()
    parts = [
        f"{source.get('scenario')} {source.get('run_id')}",
        f"seeds {', '.join(map(str, source.get('seeds', ())))}",
        f"backend {source.get('backend') or 'unknown'}",
        f"scenario sha256 {str(source.get('scenario_sha256', ''))[:12] or 'unknown'}",
        f"commit {str(source.get('git_commit') or 'unknown')[:12]}{dirty}",
    ]
    if source.get("synthetic_trace"):
        parts.append("a generated trace stands in for a measured one")
    return "; ".join([*parts, *([f"invalid, left out: {', '.join(left_out)}"] if left_out else [])])
