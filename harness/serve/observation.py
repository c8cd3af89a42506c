"""Observations as JSON, between the gateway and whoever decides. Both ways, nothing lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.types import Allocation, Counts, InFlight, Observation, Queued, ReplicaState, ServiceSample


def to_json(observation: Observation) -> dict[str, Any]:
    """A JSON object; times stay on the observation's clock. Usage, pending and memory are the control loop's own."""
    return {
        "now_s": observation.now_s,
        "window_s": observation.window_s,
        "allocation": asdict(observation.allocation),
        "recent": _queued_rows(observation.recent),
        "arrivals_per_s": list(observation.arrivals_per_s),
        "queue": _queued_rows(observation.queue),
        "in_flight": [asdict(flight) for flight in observation.in_flight],
        "replicas": [asdict(replica) for replica in observation.replicas],
        "service": [[s.batch_size, s.cores, s.service_s] for s in observation.service],
        "counts": asdict(observation.counts),
    }


def from_json(data: Mapping[str, Any], shift_s: float = 0.0) -> Observation:
    """The observation with every time moved by `shift_s` (minus the epoch: from monotonic to the run clock)."""
    return Observation(
        now_s=data["now_s"] + shift_s,
        window_s=data["window_s"],
        allocation=Allocation(**data["allocation"]),
        recent=_queued(data["recent"], shift_s),
        arrivals_per_s=tuple(data["arrivals_per_s"]),
        queue=_queued(data["queue"], shift_s),
        in_flight=tuple(_flight(flight, shift_s) for flight in data["in_flight"]),
        replicas=tuple(ReplicaState(**replica) for replica in data["replicas"]),
        service=tuple(ServiceSample(*row) for row in data["service"]),
        counts=Counts(**data["counts"]),
    )


def _queued_rows(requests: Sequence[Queued]) -> list[list[float]]:
    return [[r.id, r.arrived_s, r.deadline_s] for r in requests]


def _queued(rows: list[list[float]], shift_s: float) -> tuple[Queued, ...]:
    return tuple(Queued(int(id_), arrived_s + shift_s, deadline_s + shift_s) for id_, arrived_s, deadline_s in rows)


def _flight(data: Mapping[str, Any], shift_s: float) -> InFlight:
    moved = {key: data[key] + shift_s for key in ("started_s", "deadline_s")}
    return InFlight(**{**data, **moved})
