"""The bytes that go out and come back."""

import pytest

from harness.load.message import AnswerError, images, parse_head, parse_json, parse_request_head, request_template
from harness.oip import decode, timeout_s

SHAPE = (2, 3, 3)
TEMPLATE = request_template("example:8000", "resnet18", SHAPE)


def body_of(text: bytes) -> tuple[bytes, bytes]:
    head, _, rest = text.partition(b"\r\n\r\n")
    return head, rest


def test_a_filled_template_is_a_request_the_protocol_decodes() -> None:
    _, rest = body_of(TEMPLATE.text(41, 812_345))
    message = decode(rest + bytes(18), str(TEMPLATE.json_bytes), "inputs")
    assert (message.id, timeout_s(message.parameters), message.tensors[0].shape) == ("41", 0.812345, (1, 2, 3, 3))


def test_a_spent_budget_travels_as_a_negative_timeout() -> None:
    _, rest = body_of(TEMPLATE.text(1, -5))
    assert decode(rest + bytes(18), str(TEMPLATE.json_bytes), "inputs").parameters["timeout"] == -5


def test_head_says_how_long_header_and_body_are_whatever_the_id() -> None:
    texts = [body_of(TEMPLATE.text(n, t)) for n, t in ((0, 0), (10**15, -(10**15)))]
    lengths = [(parse_request_head(head), len(rest)) for head, rest in texts]
    assert lengths == [((TEMPLATE.json_bytes + 18, TEMPLATE.json_bytes), TEMPLATE.json_bytes)] * 2


def test_request_line_names_the_model() -> None:
    assert TEMPLATE.head.startswith(b"POST /v2/models/resnet18/infer HTTP/1.1\r\nHost: example:8000\r\n")


def test_images_are_distinct() -> None:
    assert len({bytes(image) for image in images(SHAPE, 4, seed=0)}) == 4


def test_images_of_the_same_seed_are_the_same() -> None:
    assert images(SHAPE, 4, seed=3) == images(SHAPE, 4, seed=3)


def test_an_answer_head_gives_status_and_lengths() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\nInference-Header-Content-Length: 12")
    assert (head.status, head.body_bytes, head.json_bytes, head.close) == (200, 30, 12, False)


def test_a_server_that_says_close_is_heard() -> None:
    assert parse_head(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close").close


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (b"SSH-2.0-OpenSSH", "not an HTTP/1.x status line"),
        (b"HTTP/1.1 abc", "not an HTTP/1.x status line"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nInference-Header-Content-Length: 5", "must be 0..4"),
    ],
)
def test_an_answer_head_that_breaks_a_rule_is_refused_by_name(head: bytes, rule: str) -> None:
    with pytest.raises(AnswerError, match=rule):
        parse_head(head)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff"])
def test_an_answer_that_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(AnswerError):
        parse_json(text)
