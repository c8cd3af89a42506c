"""How many requests per second of CPU time the twin simulates, beside the same model written with SimPy.

python benchmarks/twin_speed.py [--repeats 5]     the table; compiles the kernel first where a compiler is

One replica under `sponge`, 1 s tick, Poisson arrivals over a varying uplink, exact service times, on one core. Every
measurement is a process of its own; the kinds take turns, so a slow minute of the machine hits all of them. Both
models run the same rules and the same policy; SimPy's has generators for arrivals, service and ticks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import simpy

from harness.control import Steering, kept, next_tick_s
from harness.engine.configured import engine_of
from harness.kernel import VARIABLE, kernel_in_use
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.published import published_model
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.types import Allocation, Drop, EngineSettings, Queued, StartBatch, Wait, threads_for
from systems.sponge.policy import SpongePolicy, SpongeSettings

REPLICA = "replica-0"


@dataclass(frozen=True)
class Case:
    """A load on a model; cores 1..16."""

    rate_rps: float
    requests: int
    latency: LatencyModel
    max_batch: int


SMALL = LatencyModel(0.004, 0.0001, 0.001, 0.001, name="small")
CASES = {
    "yolov5s 20/s": Case(20, 10_000, published_model("yolov5s"), 8),
    "resnet18 100/s": Case(100, 30_000, published_model("resnet18"), 8),
    "small 1000/s": Case(1000, 200_000, SMALL, 8),
}
KINDS = ("twin, compiled", "twin, python", "simpy")


def plan_of(case: Case) -> dict[str, np.ndarray]:
    """Poisson arrivals, uplink 20-200 ms, SLO 1 s, in sending order."""
    rng = np.random.default_rng(1)
    created_s = np.sort(rng.uniform(0, case.requests / case.rate_rps, case.requests))
    uplink_s = rng.uniform(0.02, 0.2, case.requests)
    order = np.argsort(created_s + uplink_s, kind="stable")
    ids, created_s, uplink_s = np.arange(case.requests)[order], created_s[order], uplink_s[order]
    zeros = np.zeros(case.requests)
    columns = {"id": ids, "client": ids, "created_s": created_s, "due_s": created_s + uplink_s, "payload_bytes": ids}
    return {**columns, "uplink_s": uplink_s, "slo_s": zeros, "deadline_s": created_s + 1.0}


def policy_of(case: Case) -> SpongePolicy:
    """`sponge` for this case."""
    return SpongePolicy(Conditions(CoreGrid(1, 16, 1), case.max_batch, 1.0, 1.0, case.latency), SpongeSettings())


def gateway_of(case: Case) -> dict[str, Any]:
    """The data path: EDF, batches leave when the replica is free, hopeless requests are shed."""
    return {"engine": asdict(EngineSettings(drop="hopeless")), "latency": case.latency.to_dict(), "window_s": 5.0}


def run_twin(case: Case) -> dict[str, float]:
    """Simulate with the twin, rows included."""
    plan, tables, cores = plan_of(case), [], []
    pieces = [{k: v[at : at + 100_000] for k, v in plan.items()} for at in range(0, case.requests, 100_000)]
    simulation = Simulation(
        gateway_of(case), policy_of(case), Allocation(16.0, 1), 1.0, TwinSpec("mean", (0.01,), (0.0,)), 1, {}
    )
    begun_s = time.process_time()
    sinks = Sinks(lambda _o, d, _a: cores.append(d.target.cores), list)
    outcome = simulate(simulation, pieces, tables.append, sinks)
    took_s = time.process_time() - begun_s
    return {"rps": case.requests / took_s, "violations": outcome.violations, "cores": statistics.mean(cores)}


class SimpyModel:
    """The same, the way one writes it with SimPy."""

    def __init__(self, case: Case) -> None:
        self.env = simpy.Environment()
        self.engine = engine_of(gateway_of(case))
        self.latency = case.latency
        self.steering = Steering(policy_of(case), Allocation(16.0, 1))
        self.rows: list[tuple[Any, ...]] = []
        self.cores: list[float] = []
        self.left = case.requests
        self.running: Any = None
        self.engine.set_replica(0.0, REPLICA, 16.0)

    def perform(self, effects: list[Any]) -> None:
        """Do what the rules want."""
        for effect in effects:
            if isinstance(effect, StartBatch):
                self.env.process(self.serve(effect))
            elif isinstance(effect, Drop):
                self.rows.append((effect.request.id, effect.request.deadline_s, effect.reason))
                self.left -= 1
            elif isinstance(effect, Wait):
                self.env.process(self.wake(effect.until_s))

    def arrivals(self, plan: dict[str, np.ndarray]) -> Any:
        """One request after the other."""
        for id_, due_s, deadline_s in zip(
            plan["id"].tolist(), plan["due_s"].tolist(), plan["deadline_s"].tolist(), strict=True
        ):
            yield self.env.timeout(max(0.0, due_s - self.env.now))
            self.perform(self.engine.arrive(self.env.now, Queued(id_, self.env.now, deadline_s)))

    def serve(self, batch: StartBatch) -> Any:
        """One batch; a resize meanwhile changes the speed of its rest."""
        size, cores, threads = len(batch.requests), batch.cores, threads_for(batch.cores)
        left_s, self.running = self.latency.predict_s(size, cores), self.env.active_process
        while left_s > 0:
            since_s = self.env.now
            try:
                yield self.env.timeout(left_s)
                left_s = 0.0
            except simpy.Interrupt as resized:
                speed = min(resized.cause, float(threads))
                ratio = self.latency.predict_s(size, speed) / self.latency.predict_s(size, cores)
                left_s, cores = (left_s - (self.env.now - since_s)) * ratio, speed
        self.running = None
        for request in batch.requests:
            self.rows.append((request.id, request.deadline_s, "", batch.started_s, self.env.now, batch.batch_id))
        self.left -= size
        self.perform(self.engine.finish(self.env.now, batch.batch_id))

    def wake(self, until_s: float) -> Any:
        """Come back to the rules."""
        yield self.env.timeout(max(0.0, until_s - self.env.now))
        self.perform(self.engine.wake(self.env.now))

    def ticks(self) -> Any:
        """The control loop."""
        while self.left:
            yield self.env.timeout(next_tick_s(self.env.now, 1.0) - self.env.now)
            observation = self.steering.seen(self.engine.observe(self.env.now), ())
            decision = self.steering.decide(observation)
            self.cores.append(decision.target.cores)
            if not self.steering.keeps(decision):
                yield from self.change(observation.allocation, decision.target)
                self.steering.settle(kept(decision, self.env.now))

    def change(self, current: Allocation, target: Allocation) -> Any:
        """Growing: cores, then batch. Shrinking: the other way round."""
        growing = target.cores >= current.cores
        if not growing:
            self.set_batch(target.batch_size)
        if target.cores != current.cores:
            yield self.env.timeout(0.01)
            if self.running is not None:
                self.running.interrupt(target.cores)
            self.perform(self.engine.set_replica(self.env.now, REPLICA, target.cores))
        if growing:
            self.set_batch(target.batch_size)

    def set_batch(self, batch_size: int) -> None:
        """The new batch bound."""
        self.perform(self.engine.configure(self.env.now, EngineSettings(drop="hopeless", batch_size=batch_size)))


def run_simpy(case: Case) -> dict[str, float]:
    """Simulate with SimPy."""
    model, plan = SimpyModel(case), plan_of(case)
    begun_s = time.process_time()
    model.env.process(model.arrivals(plan))
    model.env.process(model.ticks())
    model.env.run()
    took_s = time.process_time() - begun_s
    late = sum(1 for row in model.rows if row[2] or row[4] > row[1])
    return {"rps": case.requests / took_s, "violations": late, "cores": statistics.mean(model.cores)}


def measure(kind: str, case: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    environment = {**os.environ, VARIABLE: "compiled" if kind == "twin, compiled" else "python"}
    command = [sys.executable, __file__, "--one", kind, case]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def one(kind: str, case: Case) -> dict[str, Any]:
    """What a measuring process does."""
    if kind.endswith("compiled") and kernel_in_use() != "compiled":
        return {}
    run = run_simpy if kind == "simpy" else run_twin
    run(replace(case, requests=int(3 * case.rate_rps)))  # whatever is imported at first use is imported now
    return {**run(case), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def spread(values: list[float]) -> str:
    """Median, least and most, in thousands per second."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle / 1e3:8.1f} k/s  ({low / 1e3:.1f} .. {high / 1e3:.1f})"


def report(name: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """One case of the table."""
    print(f"{name}: {CASES[name].requests} requests")
    base = statistics.median([row["rps"] for row in found["simpy"]])
    for kind, rows in found.items():
        if not all(rows):
            print(f"  {kind:15s} not compiled here")
            continue
        rates = [row["rps"] for row in rows]
        ratio = statistics.median(rates) / base
        seen = f"violations {rows[0]['violations']}, mean cores {rows[0]['cores']:.2f}"
        seen += f", peak {statistics.median([row['peak_mb'] for row in rows]):.0f} MB"
        print(f"  {kind:15s} {spread(rates)}   {ratio:5.1f} x SimPy   {seen}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "CASE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], CASES[arguments.one[1]])))
        return
    compiler = Path(__file__).resolve().parents[1] / "scripts" / "compile_kernel.py"
    subprocess.run([sys.executable, str(compiler)], check=False)
    begun_s = time.perf_counter()
    for name in CASES:
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.repeats):
            for kind in KINDS:
                found[kind].append(measure(kind, name))
        report(name, found)
    print(
        f"requests per second of CPU time, median (least .. most) of {arguments.repeats} runs; "
        f"took {time.perf_counter() - begun_s:.0f} s"
    )


if __name__ == "__main__":
    main()
