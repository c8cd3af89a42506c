"""Open Inference Protocol messages: what goes in comes out, and what is wrong is refused with the reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.oip import (
    DATATYPE_BYTES,
    Message,
    ProtocolError,
    Tensor,
    decode,
    encode_request,
    encode_response,
    tensor_bytes,
    timeout_s,
)

IMAGE = Tensor("image", "UINT8", (1, 2, 2, 3), bytes(range(12)))
WHOLE = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3], "parameters": {"binary_data_size": 12}}


def body_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return text + data, str(len(text)) if length is None else length


def refused(header, data=bytes(12), length=None):
    """The reason for which a request is refused."""
    with pytest.raises(ProtocolError) as caught:
        decode(*body_of(header, data, length), "inputs")
    return str(caught.value)


def test_a_request_comes_back_as_it_was_sent():
    length, body = encode_request(Message((IMAGE,), "7", {"timeout": 914_000}))
    decoded = decode(body, str(length), "inputs")
    assert (decoded.id, decoded.parameters["timeout"], decoded.tensors) == ("7", 914_000, (IMAGE,))


def test_a_request_asks_for_binary_outputs():
    length, body = encode_request(Message((IMAGE,)))
    assert json.loads(body[:length])["parameters"] == {"binary_data_output": True}


def test_a_response_comes_back_as_it_was_sent():
    message = Message((IMAGE, Tensor("scores", "FP32", (1, 2), bytes(8))), "7", {"threads": 2}, "resnet18")
    length, body = encode_response(message)
    assert decode(body, str(length), "outputs") == message


def test_the_length_is_that_of_the_json_in_bytes_not_in_characters():
    length, body = encode_request(Message((IMAGE,), "é"))
    assert decode(body, str(length), "inputs").id == "é"


def test_decoded_tensors_do_not_copy_the_body():
    length, body = encode_request(Message((IMAGE,)))
    assert decode(body, str(length), "inputs").tensors[0].data.obj is body


@pytest.mark.parametrize(("datatype", "size"), DATATYPE_BYTES.items())
def test_a_tensor_takes_its_elements_times_their_size(datatype, size):
    assert tensor_bytes(datatype, (2, 3)) == 6 * size


def test_a_tensor_without_axes_is_one_element():
    assert tensor_bytes("FP32", ()) == 4


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (None, "is missing; this server takes binary tensors only"),
        ("", "must be 0.."),
        ("-1", "must be 0.."),
        ("1e3", "must be 0.."),
        ("٣", "must be 0.."),
        ("999999", "must be 0.."),
        ("9" * 5000, "must be 0.."),
        ("0", "are not JSON"),
        ("5", "are not JSON"),
    ],
)
def test_a_header_length_that_does_not_mark_the_end_of_the_json_is_refused(length, reason):
    with pytest.raises(ProtocolError, match=reason):
        decode(body_of({"inputs": [WHOLE]}, bytes(12))[0], length, "inputs")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b'"text"', b"{", b"\xff\xfe{}", b"\x80", b"[" * 100_000, b'{"inputs": ' + b"1" * 5000 + b"}"],
    ids=["empty", "list", "null", "text", "open", "utf-16 mark", "not utf-8", "nested", "huge number"],
)
def test_a_header_that_is_no_json_object_is_refused(text):
    assert refused(text)


@pytest.mark.parametrize("inputs", [None, [], {}, "image", 3])
def test_inputs_that_are_no_list_of_tensors_are_refused(inputs):
    assert "must be a list of at least one tensor" in refused({"inputs": inputs})


@pytest.mark.parametrize("entry", [None, 1, "image", []])
def test_a_tensor_that_is_no_object_is_refused(entry):
    assert refused({"inputs": [entry]}) == "a tensor must be an object"


@pytest.mark.parametrize("change", [{"name": 1}, {"name": None}, {"datatype": 8}])
def test_a_tensor_without_its_names_is_refused(change):
    assert "needs the strings 'name' and 'datatype'" in refused({"inputs": [WHOLE | change]})


def test_a_datatype_that_cannot_be_carried_is_refused_by_name():
    assert "datatype 'BYTES' is not supported" in refused({"inputs": [WHOLE | {"datatype": "BYTES"}]})


@pytest.mark.parametrize(
    "shape",
    [None, 12, "1x2", [1, 2, 2, -3], [-1, -12], [1.0, 12], [True, 12], ["12"], [[12]], [10**4000, 10**4000]],
    ids=str,
)
def test_a_shape_that_is_no_list_of_whole_numbers_is_refused(shape):
    assert "must be a list of whole numbers >= 0" in refused({"inputs": [WHOLE | {"shape": shape}]})


def test_a_shape_with_thousands_of_axes_is_refused():
    assert "at most 16" in refused({"inputs": [WHOLE | {"shape": [2**31 - 1] * 5000}]})


@pytest.mark.parametrize("parameters", [None, {}, [], {"binary_data_size": None}, {"binary_data_size": 12.0}])
def test_a_tensor_that_is_not_binary_is_refused(parameters):
    assert "binary_data_size" in refused({"inputs": [WHOLE | {"parameters": parameters}]})


@pytest.mark.parametrize("size", [0, 11, 13, -12, 10**400])
def test_a_size_that_is_not_that_of_the_shape_is_refused(size):
    assert "must be 12 for this shape" in refused({"inputs": [WHOLE | {"parameters": {"binary_data_size": size}}]})


def test_a_body_that_ends_early_is_refused():
    assert refused({"inputs": [WHOLE]}, bytes(10)) == "tensor 'image': the body ends 2 bytes early"


def test_a_body_with_bytes_left_over_is_refused():
    assert "header and tensors take" in refused({"inputs": [WHOLE]}, bytes(13))


@pytest.mark.parametrize("parameters", [[1], "text", 3])
def test_parameters_that_are_no_object_are_refused(parameters):
    assert refused({"inputs": [WHOLE], "parameters": parameters}) == "'parameters' must be an object"


@pytest.mark.parametrize("id_", [7, None, ["7"], {"id": 7}])
def test_an_id_that_is_no_string_is_refused(id_):
    assert "must be a string" in refused({"inputs": [WHOLE], "id": id_})


@pytest.mark.parametrize(("timeout", "seconds"), [(914_000, 0.914), (0, 0.0), (-250_000, -0.25), (None, None)])
def test_the_timeout_is_read_in_microseconds(timeout, seconds):
    assert timeout_s({"timeout": timeout}) == seconds


def test_without_timeout_there_is_no_budget():
    assert timeout_s({}) is None


@pytest.mark.parametrize("timeout", [1.5, "914000", True, [1], float("nan"), 10**400, -(2**64)])
def test_a_timeout_that_is_no_whole_number_of_microseconds_is_refused(timeout):
    with pytest.raises(ProtocolError, match="must be a whole number of microseconds"):
        timeout_s({"timeout": timeout})


def test_a_refusal_stays_short_however_long_what_it_refuses_is():
    assert len(refused({"inputs": [WHOLE | {"name": "x" * 50_000, "shape": ["y" * 1000] * 1000}]})) < 300


def test_a_refusal_of_something_deeply_nested_is_still_a_refusal():
    nested = b'{"inputs": [' + json.dumps(WHOLE).encode() + b'], "id": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert refused(nested)


names, data = st.text(max_size=20), st.binary(max_size=64)
tensors = st.builds(lambda n, d: Tensor(n, "UINT8", (1, len(d)), d), names, data)
scalars = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), names)
messages = st.builds(
    Message, st.lists(tensors, min_size=1, max_size=4).map(tuple), names, st.dictionaries(names, scalars), names
)


@given(messages)
def test_any_response_survives_the_wire(message):
    length, body = encode_response(message)
    assert decode(body, str(length), "outputs") == message


@given(messages, st.data())
def test_a_response_cut_short_anywhere_is_refused(message, data):
    length, body = encode_response(message)
    kept = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ProtocolError):
        decode(body[:kept], str(length), "outputs")


@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=8), st.integers(0, 300).map(str)))
def test_any_bytes_are_either_a_message_or_refused(body, length):
    try:
        decode(body, length, "inputs")
    except ProtocolError as error:
        assert str(error)


json_values = st.recursive(
    st.one_of(st.none(), scalars, st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)
keys = st.sampled_from(["name", "datatype", "shape", "parameters"])


@given(
    st.dictionaries(keys, json_values), st.dictionaries(st.sampled_from(["id", "parameters", "inputs"]), json_values)
)
def test_any_json_is_either_a_message_or_refused(entry, header):
    text = json.dumps({"inputs": [WHOLE | entry], **header}).encode()
    try:
        timeout_s(decode(text + bytes(12), str(len(text)), "inputs").parameters)
    except ProtocolError as error:
        assert str(error)
