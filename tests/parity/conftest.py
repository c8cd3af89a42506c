"""The real gateway's station on an event loop whose time is virtual: what the twin is held against."""

import asyncio
import heapq
from dataclasses import dataclass, replace

import pytest

from harness.control import Steering, kept, next_tick_s, replica_name
from harness.engine.configured import engine_of
from harness.serve.observation import from_json, to_json
from harness.serve.station import Station
from harness.sim.actuators import Actuators, Delays
from harness.types import AddReplica, EventKind, RemoveReplica, Resize, SetBatch, SetThreads, threads_for


class VirtualLoop(asyncio.BaseEventLoop):
    """Time stands still while anything is ready and then jumps to the next timer: by time, kind, order of request.

    One timer at a time: what it sets off has come to rest before the next one, also at the same instant.
    """

    def __init__(self):
        super().__init__()
        self._now_s = 0.0
        self._timers = []
        self._serial = 0

    def time(self):
        return self._now_s

    def call_at(self, when, callback, *args, context=None):
        return self.call_kind(when, EventKind.TICK, callback, *args, context=context)

    def call_kind(self, when, kind, callback, *args, context=None):
        self._serial += 1
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, int(kind), self._serial, handle))
        return handle

    def _timer_handle_cancelled(self, handle):
        """A cancelled handle runs as nothing when its time comes."""

    def _run_once(self):
        if not self._ready:
            self._now_s, _, _, handle = heapq.heappop(self._timers)
            self._ready.append(handle)
        handle = self._ready.popleft()
        if not handle._cancelled:
            handle._run()


@dataclass
class _Job:
    size: int
    done: asyncio.Future


class FakeReplica:
    """Serves one batch at a time in order of arrival; cores that change change the speed of the rest."""

    def __init__(self, loop, service, cores):
        self.loop, self.service = loop, service
        self.cores, self.threads = cores, threads_for(cores)
        self.line, self.timer = [], None

    def take(self, job):
        self.line.append(job)
        if len(self.line) == 1:
            self.begin()

    def begin(self):
        self.used_threads = self.threads
        self.speed = min(self.cores, float(self.threads))
        self.end(self.loop.time() + self.service.draw_s(self.line[0].size, self.speed))

    def end(self, at_s):
        self.ends_s = at_s
        self.timer = self.loop.call_kind(at_s, EventKind.FINISH, self.finish)

    def finish(self):
        self.line.pop(0).done.set_result(None)
        if self.line:
            self.begin()

    def resize(self, cores):
        self.cores = cores
        speed = min(cores, float(self.used_threads)) if self.line else cores
        if self.line and speed != self.speed:
            size, now_s = self.line[0].size, self.loop.time()
            self.timer.cancel()
            ratio = self.service.mean_s(size, speed) / self.service.mean_s(size, self.speed)
            self.speed = speed
            self.end(now_s + (self.ends_s - now_s) * ratio)


class FakeReplicas:
    """A transport to fake replicas."""

    def __init__(self, loop, service):
        self.loop, self.service = loop, service
        self.by_name = {}

    async def send(self, replica, images):
        job = _Job(len(images), self.loop.create_future())
        self.by_name[replica].take(job)
        await job.done
        return [None] * len(images)


class StationPlace:
    """What the backends do through the gateway's control calls, done to the station directly."""

    def __init__(self, station, replicas):
        self.station, self.fakes = station, replicas

    def call_at(self, t_s, act):
        asyncio.get_running_loop().call_at(t_s, act, t_s)

    def perform(self, now_s, action):
        engine, fakes = self.station.engine, self.fakes.by_name
        match action:
            case Resize(name, cores):
                fakes[name].resize(cores)
                self.tell(now_s, name)
            case SetThreads(name, threads):
                fakes[name].threads = threads
                self.tell(now_s, name)
            case SetBatch(batch_size):
                self.station.perform(engine.configure(now_s, replace(engine.settings, batch_size=batch_size)))
            case AddReplica(name, cores):
                fakes[name] = FakeReplica(self.fakes.loop, self.fakes.service, cores)
                self.tell(now_s, name)
            case RemoveReplica(name):
                engine.drain_replica(name)

    def tell(self, now_s, name):
        fake = self.fakes.by_name[name]
        self.station.perform(self.station.engine.set_replica(now_s, name, fake.cores, fake.threads))

    def replicas(self):
        return {name: fake.cores for name, fake in self.fakes.by_name.items()}

    def batch_size(self):
        return self.station.engine.settings.batch_size

    def is_gone(self, name):
        if any(replica.name == name for replica in self.station.engine.replicas()):
            return False
        del self.fakes.by_name[name]
        return True


class RealLoop:
    """The harness's control loop over the station: observations travel as JSON, one change at a time."""

    def __init__(self, station, place, simulation, delays, more):
        self.station, self.simulation, self.delays, self.more = station, simulation, delays, more
        self.steering = Steering(simulation.policy, simulation.start)
        self.actuators = Actuators(place, delays)
        self.ticks = []

    async def run(self, tick_s):
        loop, due_s = asyncio.get_running_loop(), tick_s
        while True:
            await self.until(loop, due_s)
            if not self.more():
                return
            await self.pause(loop, self.delays.observe_s())
            observation = self.steering.seen(from_json(to_json(self.station.observe())), ())
            decision = self.steering.decide(observation)
            await self.pause(loop, self.delays.decide_s())
            applied = kept(decision, loop.time())
            if not self.steering.keeps(decision):
                change = loop.create_future()
                self.actuators.apply(loop.time(), decision, lambda *done, f=change: f.set_result(done[0]))
                applied = await change
                self.steering.settle(applied)
            self.ticks.append((observation.now_s, decision.target, decision.reason, applied))
            due_s = next_tick_s(loop.time(), tick_s)

    async def pause(self, loop, delay_s):
        if delay_s:
            await self.until(loop, loop.time() + delay_s)

    async def until(self, loop, t_s):
        reached = loop.create_future()
        loop.call_at(t_s, reached.set_result, None)
        await reached


def station_rows(simulation, arrivals, service, delay_generator):
    """(row per request, decisions) of the real station; a row as `twin_rows` has it."""
    loop = VirtualLoop()
    rows = {}

    async def submit(station, index, budget_s):
        rows[index] = await station.submit(b"", budget_s)

    async def main():
        fakes = FakeReplicas(loop, service)
        station = Station(engine_of(simulation.gateway), fakes)
        place, start = StationPlace(station, fakes), simulation.start
        place.perform(0.0, SetBatch(start.batch_size))
        for k in range(start.replicas):
            place.perform(0.0, AddReplica(replica_name(k), start.cores))
        tasks = set()
        for index, (due_s, budget_s) in enumerate(arrivals):

            def arrive(index=index, budget_s=budget_s):
                tasks.add(loop.create_task(submit(station, index, budget_s)))

            loop.call_kind(due_s, EventKind.ARRIVE, arrive)
        control = RealLoop(
            station, place, simulation, Delays(simulation.spec, delay_generator), lambda: len(rows) < len(arrivals)
        )
        await control.run(simulation.tick_s)
        return control.ticks

    try:
        ticks = loop.run_until_complete(main())
    finally:
        loop.close()
    return [row_of(index, rows[index]) for index in range(len(arrivals))], ticks


def row_of(index, answer):
    if answer.dropped:
        return index, answer.dropped
    return (
        index,
        answer.started_s,
        answer.finished_s,
        answer.batch_id,
        answer.batch_size,
        answer.replica,
        answer.cores,
    )


@pytest.fixture(scope="session")
def run_station():
    """Runs the real station (see `station_rows`)."""
    return station_rows
