"""The control loop in virtual time: the same steps as in real time, between the same events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.control import Steering, kept, next_tick_s
from harness.engine import Engine
from harness.sim.actuators import Actuators
from harness.sim.twin import Twin
from harness.types import Applied, Decision, Observation, Usage


@dataclass(frozen=True, slots=True)
class Sinks:
    """Who is told: every decision once it is in force, every reading of the replicas."""

    decision: Callable[[Observation, Decision, Applied], None]
    usage: Callable[[list[Usage]], None]


class TwinLoop:
    """Ticks as long as there is work. A tick whose change takes long lets ticks pass, as the real loop does."""

    def __init__(self, twin: Twin, engine: Engine, steering: Steering, actuators: Actuators, sinks: Sinks) -> None:
        self._twin = twin
        self._engine = engine
        self._steering = steering
        self._actuators = actuators
        self._sinks = sinks
        self._readings: dict[str, tuple[float, float]] = {}  # replica -> time, core-seconds used until then

    def begin(self, tick_s: float) -> None:
        """Read at 0, tick first at `tick_s`."""
        self._tick_s = tick_s
        self._record_usage(0.0)
        self._twin.call_at(tick_s, self._tick)

    def end(self, now_s: float) -> None:
        """The last reading."""
        self._record_usage(now_s)

    def _tick(self, now_s: float) -> None:
        if not self._twin.has_work():
            return
        observation = self._steering.seen(self._engine.observe(now_s), self._record_usage(now_s))
        decision = self._steering.decide(observation)
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
        readings = [self._reading(name, now_s) for name in self._twin.machines]
        self._sinks.usage(readings)
        return tuple(readings)

    def _reading(self, name: str, now_s: float) -> Usage:
        machine = self._twin.machines[name]
        total_s = machine.used_core_s(now_s)
        before_s, used_s = self._readings.get(name, (now_s, total_s))
        self._readings[name] = now_s, total_s
        mean_cores = (total_s - used_s) / (now_s - before_s) if now_s > before_s else 0.0
        return Usage(now_s, name, machine.cores, mean_cores, 0, 0.0)
