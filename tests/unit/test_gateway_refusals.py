"""Bad requests get a 4xx with a JSON reason, and the gateway goes on serving."""

import gzip
import json

import pytest

from harness.oip import HEADER_LENGTH

SIZE = 12
IMAGE = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3], "parameters": {"binary_data_size": SIZE}}


def request(header=None, data=bytes(SIZE), length=None, **changes):
    """(body, headers) of an infer request, right but for what is changed."""
    whole = {"inputs": [IMAGE | changes]} if header is None else header
    text = whole if isinstance(whole, bytes) else json.dumps(whole).encode()
    return text + data, {HEADER_LENGTH: str(len(text)) if length is None else length}


def sized(shape, size):
    return request(shape=shape, parameters={"binary_data_size": size}, data=bytes(max(size, 0)))


INFER = {
    "an empty body": (b"", {HEADER_LENGTH: "0"}),
    "no header length": (request()[0], {}),
    "a header length beyond the body": request(length="10000"),
    "a header length of thousands of digits": request(length="9" * 5000),
    "a negative header length": request(length="-1"),
    "no JSON": request(b"}{"),
    "no UTF-8": request(b"\xff\xff\xff"),
    "JSON nested without end": request(b"[" * 30_000),
    "a list": request(b"[]"),
    "no inputs": request({}),
    "two inputs": request({"inputs": [IMAGE, IMAGE]}, bytes(2 * SIZE)),
    "another input": request(name="picture"),
    "another datatype": request(datatype="INT8"),
    "an unknown datatype": request(datatype="BYTES"),
    "two images": sized([2, 2, 2, 3], 2 * SIZE),
    "no image": sized([0, 2, 2, 3], 0),
    "a larger image": sized([1, 4, 2, 3], 2 * SIZE),
    "fewer axes": sized([SIZE], SIZE),
    "a negative shape": sized([-1, -2, 2, 3], SIZE),
    "a shape beyond all bounds": request(shape=[10**4000, 10**4000]),
    "a shape with thousands of axes": request(shape=[2**31 - 1] * 4000),
    "a fractional shape": request(shape=[1.0, 2, 2, 3]),
    "pixels as JSON": request({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [0]}]}),
    "a body cut short": request(data=bytes(SIZE - 1)),
    "a body with a rest": request(data=bytes(SIZE + 1)),
    "a timeout in words": request({"inputs": [IMAGE], "parameters": {"timeout": "soon"}}),
    "a fractional timeout": request({"inputs": [IMAGE], "parameters": {"timeout": 0.5}}),
    "a timeout of hundreds of digits": request({"inputs": [IMAGE], "parameters": {"timeout": 10**400}}),
    "a timeout that is not a number": request(
        b'{"inputs": [' + json.dumps(IMAGE).encode() + b'], "parameters": {"timeout": NaN}}'
    ),
    "parameters in a list": request({"inputs": [IMAGE], "parameters": [1]}),
    "an id that is no string": request({"inputs": [IMAGE], "id": {"a": 1}}),
}


def reason(body):
    told = json.loads(body)
    assert list(told) == ["error"]
    assert told["error"]
    return told["error"]


@pytest.mark.parametrize("what", INFER)
async def test_a_bad_infer_request_is_refused_and_the_next_one_served(bench, what):
    made = await bench()
    status, headers, body = await made.post(*INFER[what])
    assert (status, headers["Content-Type"].split(";")[0]) == (400, "application/json")
    assert len(reason(body)) < 400
    assert (await made.infer())[0] == 200


async def test_a_refused_request_is_not_counted_as_arrived(bench):
    made = await bench()
    await made.post(*INFER["no JSON"])
    assert made.gateway.station.engine.counts().arrived == 0


async def test_an_oversized_body_is_refused_as_such(bench):
    made = await bench()
    status, _, body = await made.post(bytes(1_000_000), {HEADER_LENGTH: "2"})
    assert (status, bool(reason(body))) == (413, True)
    assert (await made.infer())[0] == 200


async def test_a_small_body_that_unpacks_to_an_oversized_one_is_refused(bench):
    made = await bench()
    packed = gzip.compress(bytes(50_000_000))
    status, _, body = await made.post(packed, {HEADER_LENGTH: "2", "Content-Encoding": "gzip"})
    assert (status, bool(reason(body))) == (413, True)
    assert (await made.infer())[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_body_that_does_not_unpack_is_refused(bench, encoding):
    made = await bench()
    status, _, body = await made.post(b"no such thing", {HEADER_LENGTH: "2", "Content-Encoding": encoding})
    assert (status, "cannot be read" in reason(body)) == (400, True)
    assert (await made.infer())[0] == 200


async def test_another_model_is_not_found_and_the_right_one_named(bench):
    made = await bench()
    body, headers = request()
    status, _, answer = await made.post(body, headers, model="other")
    assert (status, reason(answer)) == (404, "no model 'other' here; this gateway serves 'tiny'")


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/ready", "/nowhere", "/v2/"])
async def test_what_is_not_there_is_not_found_in_json(bench, path):
    made = await bench()
    status, told = await made.call("GET", path)
    assert (status, list(told)) == (404, ["error"])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/models/tiny/infer"), ("POST", "/v2"), ("PUT", "/control/engine")]
)
async def test_another_method_is_refused_in_json(bench, method, path):
    made = await bench()
    status, told = await made.call(method, path)
    assert (status, list(told)) == (405, ["error"])


NOT_OBJECTS = [b"", b"{", b"[1]", b'"edf"', b"null", b"\xff", b"[" * 100_000, b"1" * 5000]


@pytest.mark.parametrize("text", NOT_OBJECTS, ids=lambda t: repr(t[:8]))
@pytest.mark.parametrize(("method", "path"), [("PATCH", "/control/engine"), ("PUT", "/control/replicas/replica-0")])
async def test_a_control_body_that_is_no_json_object_is_refused(bench, method, path, text):
    made = await bench()
    async with made.client.request(method, path, data=text) as response:
        assert (response.status, bool(reason(await response.read()))) == (400 if len(text) < 70_000 else 413, True)
    assert (await made.infer())[0] == 200


SETTINGS = [
    ('{"batchsize": 2}', "unknown engine setting 'batchsize'"),
    ('{"order": "lifo"}', "order = 'lifo'; one of edf, fifo"),
    ('{"order": ["edf"]}', "order = ['edf']; one of"),
    ('{"close": null}', "close = None; one of idle, timeout, slack"),
    ('{"drop": 1}', "drop = 1; one of never, expired, hopeless"),
    ('{"batch_size": 0}', "batch_size = 0; must be a whole number"),
    ('{"batch_size": 2.0}', "batch_size = 2.0; must be a whole number"),
    ('{"batch_size": true}', "batch_size = True; must be a whole number"),
    ('{"batch_size": 1' + "0" * 400 + "}", "batch_size = 1000"),
    ('{"batches_in_flight": -1}', "batches_in_flight = -1; must be a whole number"),
    ('{"timeout_s": -0.1}', "timeout_s = -0.1; must be a number"),
    ('{"timeout_s": "1"}', "timeout_s = '1'; must be a number"),
    ('{"timeout_s": NaN}', "timeout_s = nan; must be a number"),
    ('{"timeout_s": Infinity}', "timeout_s = inf; must be a number"),
    ('{"timeout_s": 1' + "0" * 400 + "}", "timeout_s = 1000"),
]


@pytest.mark.parametrize(("text", "told"), SETTINGS, ids=[t for _, t in SETTINGS])
async def test_a_bad_engine_setting_is_refused_and_nothing_changes(bench, text, told):
    made = await bench()
    before = made.gateway.station.engine.settings
    async with made.client.patch("/control/engine", data=text) as response:
        assert (response.status, told in reason(await response.read())) == (400, True)
    assert made.gateway.station.engine.settings == before
    assert (await made.infer())[0] == 200


REPLICAS = [
    ({}, "cores = None; must be a number > 0"),
    ({"cores": 0}, "cores = 0; must be"),
    ({"cores": -1}, "cores = -1; must be"),
    ({"cores": "2"}, "cores = '2'; must be"),
    ({"cores": True}, "cores = True; must be"),
    ({"cores": 10**400}, "cores = 1000"),
    ({"cores": float("nan")}, "cores = nan; must be"),
    ({"cores": float("inf")}, "cores = inf; must be"),
    ({"cores": 1, "threads": 0}, "threads = 0; must be a whole number"),
    ({"cores": 1, "threads": 1.5}, "threads = 1.5; must be a whole number"),
    ({"cores": 1, "threads": None}, "threads = None; must be a whole number"),
    ({"cores": 1, "url": 8001}, "url = 8001; must start with http"),
    ({"cores": 1, "url": ""}, "url = ''; must start with http"),
    ({"cores": 1, "url": "file:///etc/passwd"}, "url = 'file:///etc/passwd'; must start with http"),
]


@pytest.mark.parametrize(("body", "told"), REPLICAS, ids=[t for _, t in REPLICAS])
@pytest.mark.parametrize("name", ["replica-0", "new"])
async def test_a_bad_replica_is_refused_and_nothing_changes(bench, name, body, told):
    made = await bench()
    before = made.gateway.station.engine.replicas()
    status, answer = await made.call("PUT", f"/control/replicas/{name}", body)
    assert (status, told in answer["error"]) == (400, True)
    assert made.gateway.station.engine.replicas() == before


async def test_a_new_replica_without_its_address_is_refused_at_once(bench):
    made = await bench()
    status, answer = await made.call("PUT", "/control/replicas/new", {"cores": 1})
    assert (status, answer["error"]) == (400, "replica 'new' is new; its url must be given")


async def test_a_known_replica_at_another_address_is_refused(bench):
    made = await bench()
    status, answer = await made.call("PUT", "/control/replicas/replica-0", {"cores": 1, "url": "http://elsewhere:1"})
    assert (status, "not at http://elsewhere:1" in answer["error"]) == (409, True)


async def test_draining_a_replica_that_is_not_there_is_refused(bench):
    made = await bench()
    assert await made.call("DELETE", "/control/replicas/other") == (404, {"error": "no replica 'other' here"})


async def test_a_replica_that_refuses_its_threads_is_a_bad_gateway(bench):
    made = await bench()
    made.replica.threads_status = 400
    status, answer = await made.call("PUT", "/control/replicas/replica-0", {"cores": 2, "threads": 2})
    assert (status, answer["error"]) == (502, "replica-0: set threads to 2: HTTP 400")
    assert made.gateway.station.engine.replicas()[0].cores == 1.0
