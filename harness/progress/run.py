"""A whole run: its sessions, how many are to come, and how long that may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.progress.session import IsAlive, SessionState, read_session
from harness.results.folders import asked_for, is_seed, manifest_if_any
from harness.results.provenance import trace_note

OVERHEAD_S = 8.0  # starting and stopping one real session, until one has shown how long it takes


@dataclass(frozen=True, slots=True, eq=False)
class RunState:
    """A run as far as its folder tells. sessions: in the order they started. expected: how many there will be in all;
    0 when nobody has said. is_over: nothing more will be written. traces: that they are generated, if they are."""

    folder: Path
    scenario: str
    backend: str
    sessions: tuple[SessionState, ...]
    expected: int
    is_over: bool
    traces: str = ""

    @property
    def ended(self) -> int:
        """Sessions that are over."""
        return sum(session.is_over for session in self.sessions)

    def left_s(self) -> float | None:
        """About how long it will take, s; None when that cannot be told."""
        if self.is_over:
            return 0.0
        if not self.expected or not self.sessions or self.backend == "simulated":
            return None
        running = [session for session in self.sessions if not session.is_over]
        each_s = self._session_s()
        in_session_s = max(each_s - running[-1].t_s, 0.0) if running else 0.0
        return in_session_s + max(self.expected - len(self.sessions), 0) * each_s

    def _session_s(self) -> float:
        took_s = [wall_s(session) for session in self.sessions]
        known = [value for value in took_s if value is not None]
        return sum(known) / len(known) if known else self.sessions[-1].duration_s + OVERHEAD_S


def read_run(folder: Path, is_alive: IsAlive) -> RunState:
    """The state of a run's folder, read now."""
    places = sorted(folder.glob("*/seed-*/"), key=_began)
    places = [p for p in places if p.parent.name != "plans" and is_seed(p)]
    manifests = [manifest_if_any(place) for place in places]
    sessions = tuple(read_session(place, is_alive) for place in places)
    facts: Mapping[str, Any] = next((manifest for manifest in manifests if manifest), {})
    expected = len(asked_for(manifests))
    alive = any(is_alive(manifest["owner"]) for manifest in manifests if manifest.get("owner"))
    all_ended = bool(sessions) and all(session.is_over for session in sessions)
    complete = all_ended and len(sessions) >= expected
    return RunState(
        folder=folder,
        scenario=facts.get("scenario", {}).get("name", folder.parent.name),
        backend=backend_of(facts),
        sessions=sessions,
        expected=expected,
        is_over=complete if alive else all_ended,
        traces=trace_note([facts]),
    )


def backend_of(facts: Mapping[str, Any]) -> str:
    """The backend a manifest names; empty when it names none yet."""
    return str(facts.get("backend", {}).get("backend", ""))


def wall_s(session: SessionState) -> float | None:
    """How long a session that is over took by the clock, s; None while that is not known."""
    if not session.started_utc or not session.ended_utc:
        return None
    return (datetime.fromisoformat(session.ended_utc) - datetime.fromisoformat(session.started_utc)).total_seconds()


def _began(folder: Path) -> tuple[str, float]:
    return manifest_if_any(folder).get("started_utc", "9"), folder.stat().st_mtime
