"""The control API: what the engine does changes while requests wait, and none is lost."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.serve.observation import from_json
from harness.types import Allocation, Counts, EngineSettings


async def served(tasks):
    return [(await task)[0] for task in tasks]


async def test_the_settings_in_force_are_answered(bench):
    made = await bench(batch_size=2)
    status, told = await made.call("PATCH", "/control/engine", {"order": "fifo"})
    assert status == 200
    assert EngineSettings(**told) == EngineSettings(batch_size=2, order="fifo") == made.gateway.station.engine.settings


async def test_an_empty_change_changes_nothing(bench):
    made = await bench(batch_size=2)
    assert EngineSettings(**(await made.call("PATCH", "/control/engine", {}))[1]) == EngineSettings(batch_size=2)


async def test_a_larger_batch_takes_those_who_already_wait(bench):
    made = await bench()
    made.replica.open.clear()
    tasks = await made.waiting(1, 2, 3, 4, 5)
    await made.call("PATCH", "/control/engine", {"batch_size": 4})
    made.replica.open.set()
    assert await served(tasks) == [200] * 5
    assert made.replica.batches == [[1], [2, 3, 4, 5]]


async def test_a_smaller_batch_lets_go_of_those_who_wait_for_a_full_one(bench):
    made = await bench(batch_size=8, close="timeout", timeout_s=1000.0)
    tasks = await made.waiting(1, 2)
    await made.call("PATCH", "/control/engine", {"batch_size": 2})
    assert await served(tasks) == [200, 200]


async def test_another_order_rearranges_those_who_wait(bench):
    made = await bench(order="fifo")
    made.replica.open.clear()
    tasks = [
        *await made.waiting(1),
        *await made.waiting(2, timeout=50_000_000),
        *await made.waiting(3, timeout=40_000_000),
    ]
    await made.call("PATCH", "/control/engine", {"order": "edf"})
    made.replica.open.set()
    assert await served(tasks) == [200] * 3
    assert made.replica.batches == [[1], [3], [2]]


async def test_another_drop_rule_answers_those_it_gives_up(bench):
    made = await bench(batch_size=8, close="timeout", timeout_s=1000.0)
    tasks = await made.waiting(1, timeout=-1)
    await made.call("PATCH", "/control/engine", {"drop": "expired"})
    assert await served(tasks) == [503]


async def test_requests_wait_for_the_first_replica(bench):
    made = await bench(joined=False)
    tasks = await made.waiting(1, 2)
    await made.call("PUT", "/control/replicas/replica-0", {"url": made.replica_url, "cores": 1.0})
    assert await served(tasks) == [200, 200]


async def test_joining_waits_until_the_replica_is_ready(bench):
    made = await bench(joined=False)
    made.replica.ready = False
    body = {"url": made.replica_url, "cores": 0.5, "threads": 1}
    joining = asyncio.create_task(made.call("PUT", "/control/replicas/replica-0", body))
    assert (await made.call("GET", "/v2/health/ready"))[0] == 503
    made.replica.ready = True
    status, told = await joining
    assert (status, told["name"], told["cores"], told["threads"], told["phase"]) == (200, "replica-0", 0.5, 1, "ready")


async def test_threads_are_passed_on_only_when_they_differ(bench):
    made = await bench()
    for threads in (1, 2, 2, 1):
        await made.call("PUT", "/control/replicas/replica-0", {"cores": 1.5, "threads": threads})
    assert made.replica.threads == [1, 2, 1]


async def test_threads_that_are_not_given_stay_what_they_are(bench):
    made = await bench()
    await made.call("PUT", "/control/replicas/replica-0", {"cores": 4, "threads": 4})
    told = (await made.call("PUT", "/control/replicas/replica-0", {"cores": 2}))[1]
    assert (told["cores"], told["threads"]) == (2.0, 4)


async def test_a_batch_reports_the_cores_it_was_started_with(bench):
    made = await bench()
    made.replica.open.clear()
    tasks = await made.waiting(1)
    await made.call("PUT", "/control/replicas/replica-0", {"cores": 4, "threads": 4})
    made.replica.open.set()
    await served(tasks)
    assert [s.cores for s in made.gateway.station.observe().service] == [1.0]


async def test_a_replica_drains_what_it_holds_and_what_waits_goes_to_the_next(bench):
    made = await bench()
    made.replica.open.clear()
    tasks = await made.waiting(1, 2, 3)
    assert await made.call("DELETE", "/control/replicas/replica-0") == (202, {"name": "replica-0", "gone": False})
    await made.call("PUT", "/control/replicas/replica-1", {"url": made.replica_url, "cores": 1.0})
    made.replica.open.set()
    assert await served(tasks) == [200] * 3
    assert [r.name for r in made.gateway.station.engine.replicas()] == ["replica-1"]


async def test_an_idle_replica_is_gone_at_once(bench):
    made = await bench()
    assert (await made.call("DELETE", "/control/replicas/replica-0"))[1]["gone"] is True
    assert (await made.call("GET", "/control/observation"))[1]["replicas"] == []


async def test_a_name_is_free_again_for_a_replica_at_another_address(bench):
    made = await bench()
    await made.call("DELETE", "/control/replicas/replica-0")
    other = made.replica_url.replace("127.0.0.1", "localhost")
    status, _ = await made.call("PUT", "/control/replicas/replica-0", {"url": other, "cores": 1.0})
    assert (status, made.gateway.replicas.url("replica-0")) == (200, other)


async def test_the_name_of_a_replica_that_drains_is_not_free_yet(bench):
    made = await bench()
    made.replica.open.clear()
    tasks = await made.waiting(1)
    await made.call("DELETE", "/control/replicas/replica-0")
    body = {"url": made.replica_url, "cores": 1.0}
    assert (await made.call("PUT", "/control/replicas/replica-0", body))[0] == 409
    made.replica.open.set()
    assert await served(tasks) == [200]


async def test_everything_may_change_at_once_and_none_is_lost(bench):
    made = await bench()
    made.replica.open.clear()
    tasks = await made.waiting(*range(40))
    made.replica.open.set()
    joining = {"url": made.replica_url, "cores": 1.0}
    changes = [
        made.call("PATCH", "/control/engine", {"batch_size": 3, "order": "fifo", "batches_in_flight": 2}),
        made.call("PUT", "/control/replicas/replica-1", joining),
        made.call("DELETE", "/control/replicas/replica-0"),
        made.call("PATCH", "/control/engine", {"close": "slack", "order": "edf"}),
        made.call("PATCH", "/control/engine", {"close": "idle", "batch_size": 5}),
    ]
    await asyncio.gather(*changes, *tasks)
    assert await served(tasks) == [200] * 40
    assert sorted(mark for batch in made.replica.batches for mark in batch) == list(range(40))


async def test_the_observation_shows_queue_flight_and_replicas(bench):
    made = await bench(batch_size=2)
    made.replica.open.clear()
    tasks = await made.waiting(1, 2, 3)
    seen = from_json((await made.call("GET", "/control/observation"))[1])
    assert seen.allocation == Allocation(1.0, 2, 1)
    assert ([f.size for f in seen.in_flight], len(seen.queue), len(seen.recent)) == ([1], 2, 3)
    assert seen.counts == Counts(arrived=3)
    made.replica.open.set()
    await served(tasks)


async def test_reading_the_observation_changes_nothing(bench):
    made = await bench()
    await made.infer()
    first, second = [(await made.call("GET", "/control/observation"))[1] for _ in range(2)]
    del first["now_s"], second["now_s"]
    assert first == second


async def metrics(made):
    async with made.client.get("/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def test_metrics_tell_outcomes_queue_batch_and_cores(bench):
    made = await bench(batch_size=3, drop="expired")
    await made.infer(1)
    await made.infer(1, timeout=-1)
    shown = await metrics(made)
    outcomes = {name[1]: value for name, value in shown.items() if name[0] == "sponge_requests_total"}
    assert outcomes == {"arrived": 2, "served": 1, "dropped": 1, "failed": 0, "late": 0}
    assert shown["sponge_queue_length",] == 0
    assert shown["sponge_batch_size",] == 3
    assert shown["sponge_replica_cores", "replica-0"] == 1.0


async def test_metrics_time_what_was_served_and_not_what_was_dropped(bench):
    made = await bench(drop="expired")
    await made.infer(1)
    await made.infer(1, timeout=-1)
    shown = await metrics(made)
    assert shown["sponge_service_time_seconds_count",] == shown["sponge_queueing_delay_seconds_count",] == 1


async def test_metrics_are_served_as_prometheus_text(bench):
    made = await bench()
    async with made.client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("name", ["replica-0", "réplica", "a b"])
async def test_any_name_a_path_can_carry_is_a_name_of_a_replica(bench, name):
    made = await bench(joined=False)
    body = {"url": made.replica_url, "cores": 1.0}
    assert (await made.call("PUT", f"/control/replicas/{name}", body))[1]["name"] == name
