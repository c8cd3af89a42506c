"""What a scenario says about its plan: plain fields with units and defaults, and the rules they must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.errors import bad_value, unknown_name

ARRIVALS = ("constant", "uniform", "poisson", "burst-per-second", "trace")
SPREADS = ("poisson", "even")
RULES = ("integrate", "sponge-exact")
SHARING = ("none", "client", "all")
MOST_RATE_RPS = 1e6  # a second of it still fits into memory


@dataclass(frozen=True, slots=True)
class ArrivalsSpec:
    """When requests are created, all clients together.

    kind:
        `constant`: every 1/rate_rps, starting at 0.
        `uniform`: exactly floor(rate_rps * duration_s) instants, each anywhere in the run.
        `poisson`: a Poisson process of rate_rps.
        `burst-per-second`: the Sponge prototype's generator, with its defect: every second int(rate_rps) requests,
            each delayed by its own Exp(1/rate_rps) draw without a cumulative sum, so they come as a burst.
        `trace`: as `trace` says, from start_s of it.
    spread: inside a bin of a trace of counts: `poisson` (anywhere in the bin) or `even`.
    transforms: what is done to the trace first, in the words of `harness.traces.transforms`.
    """

    kind: str = "constant"
    rate_rps: float = 20.0
    trace: str = ""
    start_s: float = 0.0
    spread: str = "poisson"
    transforms: tuple[str, ...] = ()

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        _one_of(place, "kind", self.kind, ARRIVALS)
        _one_of(place, "spread", self.spread, SPREADS)
        _finite(place, "start_s", self.start_s, minimum=0.0)
        if self.kind == "trace" and not self.trace:
            raise bad_value(place, "trace", self.trace, "must name an arrival trace when kind is 'trace'")
        if self.kind != "trace":
            _positive(place, "rate_rps", self.rate_rps)
            if self.rate_rps > MOST_RATE_RPS:
                raise bad_value(place, "rate_rps", self.rate_rps, f"must be <= {MOST_RATE_RPS:,.0f}")
        if self.kind == "burst-per-second" and self.rate_rps < 1.0:
            raise bad_value(place, "rate_rps", self.rate_rps, "must be >= 1 for 'burst-per-second'")


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The way from client to server.

    trace: bandwidth over time; empty means that only rtt_s is spent. traces: several instead, as a mix of carriers:
        client k has the k-th, more clients than traces start over. transforms: what is done to each of them first, in
        the words of `harness.traces.transforms`. start_s: where in the trace the run begins.
    rule: `integrate` (bytes over time, through outages) or `sponge-exact` (the prototype's whole milliseconds from
        whole bytes/ms, one sample per second of the run).
    rtt_s: added to every upload, >= 0. loop: start the trace over when it ends; without, a run that needs more trace
        than there is, is refused.
    delays: whether requests reach the server later for their upload. Without, as in the prototype's evaluation, they
        reach it when the arrivals say, and the upload only takes from their budget: they count as created before.
    sharing: who shares a link. `none`: every request has it to itself (as in the paper). `client`: a client's
        requests queue on its link. `all`: there is one link, and all requests queue on it.
    """

    trace: str = ""
    traces: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    rule: str = "integrate"
    rtt_s: float = 0.0
    start_s: float = 0.0
    loop: bool = False
    sharing: str = "none"
    delays: bool = True

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        _one_of(place, "rule", self.rule, RULES)
        _one_of(place, "sharing", self.sharing, SHARING)
        _finite(place, "rtt_s", self.rtt_s, minimum=0.0)
        _finite(place, "start_s", self.start_s, minimum=0.0)
        if self.trace and self.traces:
            raise bad_value(place, "trace", self.trace, "must be empty when traces is given")
        if not all(self.traces):
            raise bad_value(place, "traces", self.traces, "must name a trace in every place")
        if self.sharing == "all" and len(self.traces) > 1:
            raise bad_value(place, "traces", self.traces, "must be one trace when all share a link")
        if self.rule == "sponge-exact" and self.sharing != "none":
            raise bad_value(place, "sharing", self.sharing, "must be 'none' with rule 'sponge-exact'")
        if not self.delays and self.sharing != "none":
            raise bad_value(place, "delays", self.delays, "must be true where requests share a link")

    def names(self) -> tuple[str, ...]:
        """The network traces, in the order the clients take them; empty when there is none."""
        return self.traces or ((self.trace,) if self.trace else ())


@dataclass(frozen=True, slots=True)
class ClientsSpec:
    """Who sends. Constant arrivals go round the clients; any other request belongs to a client drawn at random.

    offset_s: client k begins k * offset_s later in the network trace. offsets_s: one explicit offset per client
    instead; more clients than offsets start over. payloads_bytes: one payload per client in place of the plan's.
    """

    count: int = 1
    offset_s: float = 0.0
    offsets_s: tuple[float, ...] = ()
    payloads_bytes: tuple[int, ...] = ()

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule."""
        if self.count < 1:
            raise bad_value(place, "count", self.count, "must be >= 1")
        _finite(place, "offset_s", self.offset_s, minimum=0.0)
        for offset in self.offsets_s:
            _finite(place, "offsets_s", offset, minimum=0.0)
        if self.offset_s and self.offsets_s:
            raise bad_value(place, "offset_s", self.offset_s, "must be 0 when offsets_s is given")
        for payload in self.payloads_bytes:
            if payload < 0:
                raise bad_value(place, "payloads_bytes", payload, "must be >= 0")

    def offset_of(self, client: int) -> float:
        """Where in the network trace a client begins, s."""
        if self.offsets_s:
            return self.offsets_s[client % len(self.offsets_s)]
        return client * self.offset_s


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """All that decides a plan, next to the traces' contents and the seed.

    duration_s: requests are created in [0, duration_s). slo_s: from creation to answer. payload_bytes: what each
    request sends over the network.
    """

    duration_s: float = 60.0
    slo_s: float = 1.0
    payload_bytes: int = 303_600
    arrivals: ArrivalsSpec = field(default_factory=ArrivalsSpec)
    network: NetworkSpec = field(default_factory=NetworkSpec)
    clients: ClientsSpec = field(default_factory=ClientsSpec)

    def validate(self, place: str) -> None:
        """Raise UsageError naming place, key, value and rule, for this and all its parts."""
        _positive(place, "duration_s", self.duration_s)
        _positive(place, "slo_s", self.slo_s)
        if self.payload_bytes < 0:
            raise bad_value(place, "payload_bytes", self.payload_bytes, "must be >= 0")
        self.arrivals.validate(f"{place}: arrivals")
        self.network.validate(f"{place}: network")
        self.clients.validate(f"{place}: clients")

    def trace_names(self) -> tuple[str, ...]:
        """The traces that `build_plan` needs, each once."""
        arrivals = (self.arrivals.trace,) if self.arrivals.kind == "trace" else ()
        return tuple(dict.fromkeys((*self.network.names(), *arrivals)))

    def payload_of(self, client: int) -> int:
        """What each request of a client sends, bytes."""
        payloads = self.clients.payloads_bytes
        return payloads[client % len(payloads)] if payloads else self.payload_bytes


def _one_of(place: str, key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown_name(place, key, value, known)


def _finite(place: str, key: str, value: float, minimum: float) -> None:
    if not math.isfinite(value) or value < minimum:
        raise bad_value(place, key, value, f"must be a finite number >= {minimum:g}")


def _positive(place: str, key: str, value: float) -> None:
    if not math.isfinite(value) or value <= 0.0:
        raise bad_value(place, key, value, "must be a finite number > 0")
