"""What a clairvoyant system knows: the whole plan, the latency model, and how long its actuators take. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import bad_value
from harness.oracle.serving import Draw
from harness.policy.conditions import Conditions

SLACK_S = 1e-9  # far more than the rounding of event times
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ways:
    """How long things take, s, each as the values that may be drawn: from a tick to the request for a change, a change
    of cores, a call to the gateway, the way from the socket into the queue, and from the end of service to the client.
    """

    request_s: tuple[float, ...] = (0.0,)
    resize_s: tuple[float, ...] = (0.0,)
    control_s: tuple[float, ...] = (0.0,)
    inbound_s: tuple[float, ...] = (0.0,)
    outbound_s: tuple[float, ...] = (0.0,)

    @property
    def slowest_change_s(self) -> float:
        """The longest a change of cores and threads takes until both are in force."""
        return max(self.request_s) + max(self.resize_s) + 2 * max(self.control_s)


@dataclass(frozen=True, slots=True, eq=False)
class Foresight:
    """A plan (columns in the order of due_s) and the conditions it is replayed under.

    duration_s: cost is counted in [0, duration_s). least_ratio: the least service time over the fitted one that can
    happen, in (0, 1]; 1 when every batch takes exactly the fitted time. ratios: what service times over fitted ones are
    like; empty when they are exactly as fitted. draw_s: the service times that will be drawn, where that is known.
    """

    due_s: Floats
    deadline_s: Floats
    duration_s: float
    conditions: Conditions
    ways: Ways
    least_ratio: float = 1.0
    ratios: tuple[float, ...] = ()
    draw_s: Draw | None = None

    def validate(self, place: str) -> None:
        """Raise UsageError for a latency model that has service in no time: nothing could be said about its cost."""
        grid = self.conditions.cores.values()
        for cores in (grid[0], grid[-1]):
            for batch in (1, self.conditions.max_batch):
                service_s = self.conditions.latency.predict_s(batch, cores)
                if not service_s > 0:
                    raise bad_value(place, f"service time of {batch} on {cores:g} cores", service_s, "must be > 0 s")

    def pace(self, quantile: float) -> float:
        """Service time over the fitted one that a share `quantile` of batches does not exceed."""
        return float(np.quantile(self.ratios, quantile)) if self.ratios else 1.0

    @property
    def opens_s(self) -> Floats:
        """The earliest instant each request can be in a batch."""
        return self.due_s + min(self.ways.inbound_s)

    @property
    def closes_s(self) -> Floats:
        """The latest end of service that reaches the client in time."""
        return self.deadline_s - min(self.ways.outbound_s)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The requests that can be met at all, each with the window its whole service must lie in, ascending by opens_s.

    unmeetable: how many others there are: alone, at once and on all cores they would still end too late.
    """

    opens_s: Floats
    closes_s: Floats
    unmeetable: int

    def __len__(self) -> int:
        return len(self.opens_s)


class Speeds:
    """The quickest service and the highest throughput any core count allows.

    quickest_s[a][j]: no batch with j requests in it, on the a-th core count of the grid or less, ends sooner, s; index
    j = 0 is unused. Larger batches and fewer cores count as well, so this holds for latency models of any sign.
    """

    def __init__(self, foresight: Foresight) -> None:
        conditions = foresight.conditions
        self.cores = conditions.cores.values()
        self.max_batch = conditions.max_batch
        self.quickest_s = [self._quickest_s(foresight, cores) for cores in self.cores]
        self.rates_rps = [self._rates_rps(quickest_s) for quickest_s in self.quickest_s]

    def rate_rps(self, level: int, present: int) -> float:
        """No faster than this can requests be served on the level-th core count, `present` of them at hand."""
        return self.rates_rps[level][min(present, self.max_batch)]

    def _quickest_s(self, foresight: Foresight, cores: float) -> list[float]:
        # Threads are whole numbers, so a replica may run at a whole number of cores below its quota.
        speeds = {*(c for c in self.cores if c <= cores), *map(float, range(1, int(cores) + 1))}
        predict_s, ratio = foresight.conditions.latency.predict_s, foresight.least_ratio
        alone = [min(predict_s(batch, speed) for speed in speeds) * ratio for batch in range(1, self.max_batch + 1)]
        return [0.0, *np.minimum.accumulate(alone[::-1])[::-1].tolist()]

    def _rates_rps(self, quickest_s: list[float]) -> list[float]:
        best = [0.0]
        for size in range(1, self.max_batch + 1):
            best.append(max(best[-1], size / quickest_s[size]))
        return best


def windows_of(foresight: Foresight, speeds: Speeds) -> Windows:
    """The windows of all meetable requests: closes_s - opens_s is at least the quickest service there is.

    In doubt a request is meetable: it then counts among the misses a floor allows, which stays true.
    """
    opens_s, closes_s = foresight.opens_s, foresight.closes_s
    meetable = opens_s + speeds.quickest_s[-1][1] <= closes_s + SLACK_S
    order = np.argsort(opens_s[meetable], kind="stable")
    many = int(np.count_nonzero(meetable))
    return Windows(opens_s[meetable][order], closes_s[meetable][order], len(opens_s) - many)
