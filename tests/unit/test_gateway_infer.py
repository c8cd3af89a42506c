"""A request through the gateway: served in a batch, dropped, or failed with its replica; each answered and stamped."""

import json

import numpy as np
import pytest
from aiohttp import web

from harness.oip import HEADER_LENGTH, decode


def outputs(answer):
    _, headers, body = answer
    return decode(body, headers[HEADER_LENGTH], "outputs")


def scores(answer):
    return np.frombuffer(outputs(answer).tensors[0].data, np.float32).tolist()


async def test_an_image_is_answered_with_its_outputs(bench):
    made = await bench()
    answer = await made.infer(7)
    assert (answer[0], scores(answer)) == (200, [7, 0])


async def test_the_answer_carries_id_model_and_where_it_was_served(bench):
    made = await bench()
    message = outputs(await made.infer(7))
    told = {k: message.parameters[k] for k in ("batch_id", "batch_size", "replica", "cores", "stage", "variant")}
    assert (message.id, message.model_name) == ("7", "tiny")
    assert told == {
        "batch_id": 0, "batch_size": 1, "replica": "replica-0", "cores": 1.0, "stage": "main", "variant": "default"
    }  # fmt: skip


async def test_the_stamps_are_in_order_on_the_gateway_s_clock(bench):
    made = await bench()
    before_s = (await made.call("GET", "/control/clock"))[1]["monotonic_s"]
    stamps = outputs(await made.infer()).parameters
    after_s = (await made.call("GET", "/control/clock"))[1]["monotonic_s"]
    queued_s, started_s, finished_s = (stamps[f"{k}_monotonic_s"] for k in ("queued", "started", "finished"))
    assert before_s <= queued_s <= started_s <= finished_s <= after_s


async def test_what_the_replica_says_of_itself_is_passed_on_when_it_is_plain(bench):
    made = await bench()
    parameters = outputs(await made.infer()).parameters
    assert (parameters["compute_s"], "shape" in parameters) == (0.5, False)


async def test_images_that_wait_together_are_served_together_and_each_gets_its_own_outputs(bench):
    made = await bench(batch_size=3)
    made.replica.open.clear()
    tasks = await made.waiting(10, 11, 12, 13)
    made.replica.open.set()
    answers = [await task for task in tasks]
    assert made.replica.batches == [[10], [11, 12, 13]]
    assert [scores(a) for a in answers] == [[10, 0], [11, 0], [12, 1], [13, 2]]


async def test_every_output_of_a_batch_is_split(bench):
    made = await bench(batch_size=2)
    made.replica.open.clear()
    tasks = await made.waiting(1, 2, 3)
    made.replica.open.set()
    tensors = outputs(await tasks[2]).tensors
    assert [(t.name, t.shape) for t in tensors] == [("scores", (1, 2)), ("label", (1,))]
    assert np.frombuffer(tensors[1].data, np.int64).tolist() == [1]
    await tasks[1]


async def test_the_earliest_deadline_is_served_first(bench):
    made = await bench()
    made.replica.open.clear()
    first = await made.waiting(1)
    tasks = [*first, *await made.waiting(2, timeout=50_000_000), *await made.waiting(3, timeout=5_000_000)]
    made.replica.open.set()
    for task in tasks:
        await task
    assert made.replica.batches == [[1], [3], [2]]


async def test_a_request_without_timeout_has_the_default_budget(bench):
    made = await bench(joined=False)
    tasks = await made.waiting(1)
    waiting = made.gateway.station.observe().queue[0]
    assert waiting.deadline_s - waiting.arrived_s == pytest.approx(60.0)
    tasks[0].cancel()


async def test_a_timeout_is_the_budget_in_microseconds(bench):
    made = await bench()
    await made.infer(1, timeout=250_000)
    arrived = made.gateway.station.observe().recent[0]
    assert arrived.deadline_s - arrived.arrived_s == pytest.approx(0.25)


@pytest.mark.parametrize(("rule", "reason"), [("expired", "expired"), ("hopeless", "expired")])
async def test_a_dropped_request_is_refused_with_the_reason(bench, rule, reason):
    made = await bench(drop=rule)
    status, _, body = await made.infer(1, timeout=-1)
    told = json.loads(body)
    assert (status, told["reason"], told["error"]) == (503, reason, f"request dropped: {reason}")
    assert told["queued_monotonic_s"] > 0


async def test_a_request_that_cannot_make_it_any_more_is_dropped_as_hopeless(bench):
    made = await bench(drop="hopeless")
    status, _, body = await made.infer(1, timeout=1000)
    assert (status, json.loads(body)["reason"]) == (503, "hopeless")


async def test_a_dropped_request_never_reaches_the_replica(bench):
    made = await bench(drop="expired")
    await made.infer(1, timeout=-1)
    assert made.replica.batches == []


FAILURES = {
    "an error": lambda _: web.json_response({"error": "the model failed"}, status=500),
    "no outputs": lambda _: web.Response(body=b"{}", headers={HEADER_LENGTH: "2"}),
    "no header length": lambda _: web.Response(body=b"{}"),
    "no JSON": lambda _: web.Response(body=b"\xff\xff", headers={HEADER_LENGTH: "2"}),
    "a header length beyond all bounds": lambda _: web.Response(body=b"{}", headers={HEADER_LENGTH: "9" * 5000}),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_replica_that_answers_nonsense_fails_the_request_and_serving_goes_on(bench, failure):
    made = await bench()
    made.replica.answer = FAILURES[failure]
    status, _, body = await made.infer(1)
    made.replica.answer = None
    assert (status, json.loads(body)["error"].startswith("replica-0: ")) == (502, True)
    assert (await made.infer(2))[0] == 200


async def test_outputs_that_are_not_batched_by_image_fail_the_whole_batch(bench):
    made = await bench(batch_size=2)
    made.replica.open.clear()
    tasks = await made.waiting(1, 2, 3)
    made.replica.answer = lambda n: made.replica.outputs([1] * n, axis=1)
    made.replica.open.set()
    assert [(await t)[0] for t in tasks] == [200, 502, 502]


async def test_a_failed_request_is_stamped_with_its_batch(bench):
    made = await bench()
    made.replica.answer = FAILURES["an error"]
    told = json.loads((await made.infer(1))[2])
    assert (told["batch_id"], told["batch_size"], told["replica"]) == (0, 1, "replica-0")
    assert told["queued_monotonic_s"] <= told["started_monotonic_s"] <= told["finished_monotonic_s"]


async def test_failures_are_counted_and_none_is_left_in_flight(bench):
    made = await bench()
    made.replica.answer = FAILURES["an error"]
    await made.infer(1)
    seen = made.gateway.station.observe()
    assert (seen.counts.failed, seen.counts.served, seen.in_flight) == (1, 0, ())


async def test_a_client_that_goes_away_leaves_its_place_to_nobody_s_loss(bench):
    made = await bench()
    made.replica.open.clear()
    first, gone, last = await made.waiting(1, 2, 3)
    gone.cancel()
    made.replica.open.set()
    assert [(await first)[0], (await last)[0]] == [200, 200]


async def test_the_server_says_it_is_live_and_what_it_is(bench):
    made = await bench(joined=False)
    assert (await made.call("GET", "/v2/health/live"))[0] == 200
    assert (await made.call("GET", "/v2"))[1]["extensions"] == ["binary_tensor_data"]


async def test_the_model_tells_its_input(bench):
    made = await bench()
    told = (await made.call("GET", "/v2/models/tiny"))[1]
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3]}]


@pytest.mark.parametrize(("joined", "status"), [(True, 200), (False, 503)])
@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/tiny/ready"])
async def test_it_is_ready_when_a_replica_is(bench, path, joined, status):
    made = await bench(joined=joined)
    assert (await made.call("GET", path))[0] == status
