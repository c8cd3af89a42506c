"""Values shared by every layer. SI units, the suffix is the unit; `_s` times are on the run clock (0 = replay start).

All values are frozen. Lists inside values are tuples, so a value can be kept, compared and replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal

Order = Literal["edf", "fifo"]
Close = Literal["idle", "timeout", "slack"]
DropRule = Literal["never", "expired", "hopeless"]
Status = Literal["served", "dropped", "failed"]
Outcome = Literal["ok", "deferred", "infeasible", "failed"]
ReplicaPhase = Literal["starting", "ready", "draining"]
BY_NAME = "asked for by name"  # in a manifest: why a generated trace stands where a scenario wants one


class EventKind(IntEnum):
    """Order of events that fall on the same instant: finish, then arrive, then tick."""

    FINISH = 0
    ARRIVE = 1
    TICK = 2


@dataclass(frozen=True, slots=True)
class Request:
    """One planned request. `due_s` = created_s + uplink_s is when it reaches the server's door."""

    id: int
    client: int
    created_s: float
    due_s: float
    payload_bytes: int
    uplink_s: float
    slo_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one stage may use. `cores` is per replica and may be fractional."""

    cores: float
    batch_size: int
    replicas: int = 1
    variant: str = "default"
    stage: str = "main"

    @property
    def threads(self) -> int:
        """Compute threads that go with the cores: one per started core."""
        return threads_for(self.cores)

    @property
    def granted_cores(self) -> float:
        """Cores granted to the whole stage."""
        return self.cores * self.replicas


def threads_for(cores: float) -> int:
    """Threads for a CPU quota: ceil(cores), at least 1. More threads than cores only fight for the quota."""
    return max(1, math.ceil(cores - 1e-9))


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the data path queues, batches and sheds.

    order: `edf` (earliest absolute deadline, ties by arrival) or `fifo`.
    close: when a batch that is not full leaves. `idle`: as soon as a replica is free. `timeout`: when its oldest
        request has waited `timeout_s`. `slack`: when the head can wait no longer and still make its deadline.
    drop: `never`; `expired` (deadline has passed); `hopeless` (cannot make it even if started now, alone).
    batches_in_flight: batches one replica may hold at once.
    """

    batch_size: int = 1
    order: Order = "edf"
    close: Close = "idle"
    drop: DropRule = "never"
    timeout_s: float = 1.0
    batches_in_flight: int = 1


@dataclass(frozen=True, slots=True)
class Queued:
    """A request as the server knows it: its id, when it arrived and when it must be answered."""

    id: int
    arrived_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class InFlight:
    """A batch that is being served."""

    batch_id: int
    replica: str
    size: int
    started_s: float
    deadline_s: float  # the earliest deadline in the batch


@dataclass(frozen=True, slots=True)
class ServiceSample:
    """One observed service time: dispatch to answer of a whole batch."""

    batch_size: int
    cores: float
    service_s: float


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica as the engine sees it."""

    name: str
    cores: float
    threads: int
    phase: ReplicaPhase = "ready"
    batches_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of one replica's resources. `used_cores` is the mean since the previous reading."""

    t_s: float
    replica: str
    granted_cores: float
    used_cores: float
    memory_bytes: int
    throttled_s: float  # cumulative time the replica wanted to run and was not allowed to


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests since the start: arrived = queued + in flight + served + dropped + failed."""

    arrived: int = 0
    served: int = 0
    dropped: int = 0
    failed: int = 0
    late: int = 0  # served after their deadline, as the server saw it


@dataclass(frozen=True, slots=True)
class Observation:
    """All a policy may know at a tick.

    recent: requests that arrived in the last `window_s`, in order of arrival.
    arrivals_per_s: counts for whole seconds of that window, oldest first.
    memory: what the policy itself returned with its last decision (None at first); how a pure policy remembers.
    """

    now_s: float
    window_s: float
    allocation: Allocation
    recent: Sequence[Queued] = ()
    arrivals_per_s: tuple[int, ...] = ()
    queue: Sequence[Queued] = ()
    in_flight: tuple[InFlight, ...] = ()
    replicas: tuple[ReplicaState, ...] = ()
    service: Sequence[ServiceSample] = ()
    usage: tuple[Usage, ...] = ()
    pending: tuple[Allocation, ...] = ()
    counts: Counts = field(default_factory=Counts)
    memory: Any = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The allocation a policy wants. Holding is a target equal to the current allocation."""

    target: Allocation
    reason: str
    memory: Any = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a decision: asked, acknowledged by the actuator, and read back as in force."""

    target: Allocation
    requested_s: float
    acknowledged_s: float
    effective_s: float
    effective_cores: float
    outcome: Outcome = "ok"
    detail: str = ""
    replicas_in_force: int | None = None
    batch_size_in_force: int | None = None

    @property
    def effective(self) -> Allocation:
        """The allocation in force afterwards; what was not read back is taken to be as wanted."""
        replicas, batch_size = self.replicas_in_force, self.batch_size_in_force
        return replace(
            self.target,
            cores=self.effective_cores,
            replicas=self.target.replicas if replicas is None else replicas,
            batch_size=self.target.batch_size if batch_size is None else batch_size,
        )

    def shifted(self, by_s: float) -> Applied:
        """The same on another clock: every time moved by `by_s`."""
        return replace(
            self,
            requested_s=self.requested_s + by_s,
            acknowledged_s=self.acknowledged_s + by_s,
            effective_s=self.effective_s + by_s,
        )


# Effects: what the engine and the control loop want done. Shells do it, in virtual or real time.


@dataclass(frozen=True, slots=True)
class StartBatch:
    """Send these requests to a replica as one batch."""

    batch_id: int
    replica: str
    requests: tuple[Queued, ...]
    started_s: float
    cores: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Answer this request with a refusal."""

    request: Queued
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Wake the engine at this time; nothing else will."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Resize:
    """Change a replica's CPU quota in place."""

    replica: str
    cores: float


@dataclass(frozen=True, slots=True)
class SetThreads:
    """Change a replica's compute threads."""

    replica: str
    threads: int


@dataclass(frozen=True, slots=True)
class SetBatch:
    """Change the largest batch the engine may form."""

    batch_size: int


@dataclass(frozen=True, slots=True)
class AddReplica:
    """Start a replica and let it join when ready."""

    replica: str
    cores: float


@dataclass(frozen=True, slots=True)
class RemoveReplica:
    """Drain a replica and stop it."""

    replica: str


EngineEffect = StartBatch | Drop | Wait
Action = Resize | SetThreads | SetBatch | AddReplica | RemoveReplica


@dataclass(frozen=True, slots=True)
class Service:
    """What a backend has to run: one model behind one gateway.

    image_shape: height, width, channels of the raw uint8 image a client sends.
    labels: put on everything the backend creates, so that it can be found and removed.
    gateway: the gateway's configuration, as `harness.serve` reads it.
    """

    model_name: str
    model_path: str
    image_shape: tuple[int, int, int]
    max_cores: float
    gateway: Mapping[str, Any]
    run_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
