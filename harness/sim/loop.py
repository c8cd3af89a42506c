"""The control loop in virtual time: the same steps as in real time, between the same events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.control import Steering, kept, next_tick_s
from harness.engine import Engine
from harness.sim.actuators import Actuators, Delays
from harness.sim.machine import Machine
from harness.sim.twin import Twin
from harness.types import Applied, Decision, Observation, Usage


@dataclass(frozen=True, slots=True)
class Sinks:
    """Who is told: every decision once it is in force, every reading of the replicas."""

    decision: Callable[[Observation, Decision, Applied], None]
    usage: Callable[[list[Usage]], None]


class TwinLoop:
    """Ticks as long as there is work. A tick whose change takes long lets ticks pass, as the real loop does."""

    def __init__(
        self, twin: Twin, engine: Engine, steering: Steering, actuators: Actuators, delays: Delays, sinks: Sinks
    ) -> None:
        self._twin = twin
        self._engine = engine
        self._steering = steering
        self._actuators = actuators
        self._delays = delays
        self._sinks = sinks
        self._read_s = 0.0
        self._readings: dict[str, tuple[float, float]] = {}  # name -> time, core-seconds used under it until then
        self._seen: dict[str, Machine] = {}  # at the reading before
        self._done_core_s: dict[str, float] = {}  # name -> by replicas that went

    def begin(self, tick_s: float) -> None:
        """Read at 0, tick first at `tick_s`."""
        self._tick_s = tick_s
        self._record_usage(0.0)
        self._twin.call_at(tick_s, self._tick)

    def end(self, now_s: float) -> None:
        """The last reading."""
        self._record_usage(now_s)

    def _tick(self, now_s: float) -> None:
        if self._twin.has_work():
            self._later(now_s, self._delays.observe_s(), self._observe)

    def _later(self, now_s: float, delay_s: float, act: Callable[[float], None]) -> None:
        if delay_s > 0:
            self._twin.call_at(now_s + delay_s, act)
        else:
            act(now_s)

    def _observe(self, now_s: float) -> None:
        observation = self._steering.seen(self._engine.observe(now_s), self._record_usage(now_s))
        decision = self._steering.decide(observation)
        self._later(now_s, self._delays.decide_s(), lambda at_s: self._act(at_s, observation, decision))

    def _act(self, now_s: float, observation: Observation, decision: Decision) -> None:
        if self._steering.keeps(decision):
            self._settled(now_s, observation, decision, kept(decision, now_s))
        else:

            def done(applied: Applied, at_s: float) -> None:
                self._steering.settle(applied)
                self._settled(at_s, observation, decision, applied)

            self._actuators.apply(now_s, decision, done)

    def _settled(self, now_s: float, observation: Observation, decision: Decision, applied: Applied) -> None:
        self._sinks.decision(observation, decision, applied)
        self._twin.call_at(next_tick_s(now_s, self._tick_s), self._tick)

    def _record_usage(self, now_s: float) -> tuple[Usage, ...]:
        """Read every replica. Written are also one that was not there at the reading before, at 0 then, and what one
        that went did since: so the readings of a name sum to all that was done under it."""
        self._bury(now_s)
        machines, before_s = self._twin.machines, self._read_s
        came = [_idle(before_s, name) for name in machines if name not in self._seen and before_s < now_s]
        readings = tuple(self._reading(name, now_s, machine.cores) for name, machine in machines.items())
        went = [self._reading(name, now_s, 0.0) for name in self._readings if name not in machines]
        self._sinks.usage([*came, *readings, *(one for one in went if one.used_cores)])
        self._read_s, self._seen = now_s, dict(machines)
        return readings

    def _bury(self, now_s: float) -> None:
        """Keep what replicas did that went since the reading before; their names may come again."""
        for name, machine in self._seen.items():
            if self._twin.machines.get(name) is not machine:
                self._done_core_s[name] = self._done_core_s.get(name, 0.0) + machine.used_core_s(now_s)

    def _reading(self, name: str, now_s: float, cores: float) -> Usage:
        machine = self._twin.machines.get(name)
        total_s = self._done_core_s.get(name, 0.0) + (machine.used_core_s(now_s) if machine else 0.0)
        before_s, used_s = self._readings.get(name, (self._read_s, 0.0))
        self._readings[name] = now_s, total_s
        mean_cores = (total_s - used_s) / (now_s - before_s) if now_s > before_s else 0.0
        return Usage(now_s, name, cores, mean_cores, 0, 0.0)


def _idle(now_s: float, name: str) -> Usage:
    return Usage(now_s, name, 0.0, 0.0, 0, 0.0)
