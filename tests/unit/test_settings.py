"""TOML into values, strictly: what is unknown, missing or of the wrong type is named with its place and rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.errors import UsageError
from harness.settings import from_mapping, read_toml


@dataclass(frozen=True)
class Inner:
    length_s: float


@dataclass(frozen=True)
class Outer:
    rate_rps: float
    clients: int = 1
    name: str = "x"
    fast: bool = False
    order: Literal["edf", "fifo"] = "edf"
    shape: tuple[int, int] = (1, 2)
    payloads: tuple[int, ...] = ()
    limit_s: float | None = None
    inner: Inner = Inner(1.0)
    inners: tuple[Inner, ...] = ()
    table: dict[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)


def outer(**values):
    return from_mapping(Outer, {"rate_rps": 1.0} | values, "x.toml")


def reason(**values):
    with pytest.raises(UsageError) as caught:
        outer(**values)
    return str(caught.value)


def test_defaults_stand_where_nothing_is_given():
    assert outer() == Outer(1.0)


def test_a_whole_number_is_a_fine_float():
    assert outer(rate_rps=20).rate_rps == 20.0


def test_lists_become_tuples():
    assert outer(shape=[3, 4], payloads=[5, 6, 7]) == Outer(1.0, shape=(3, 4), payloads=(5, 6, 7))


def test_nested_tables_become_values():
    assert outer(inner={"length_s": 2}, inners=[{"length_s": 3}]) == Outer(1.0, inner=Inner(2.0), inners=(Inner(3.0),))


def test_an_optional_value_may_be_given():
    assert outer(limit_s=3).limit_s == 3.0


@pytest.mark.parametrize("key", ["table", "mapping"])
def test_free_tables_are_taken_as_they_are(key):
    assert getattr(outer(**{key: {"a": [1, "b"]}}), key) == {"a": [1, "b"]}


def test_an_unknown_key_suggests_the_nearest():
    assert reason(rate_rsp=1) == "x.toml: unknown key 'rate_rsp'; did you mean 'rate_rps'?"


def test_an_unknown_key_like_no_other_lists_all():
    assert reason(zzz=1).startswith("x.toml: unknown key 'zzz'; known: clients, fast, inner")


def test_a_missing_key_is_named():
    with pytest.raises(UsageError, match=r"^x\.toml: rate_rps is missing; it must be given$"):
        from_mapping(Outer, {}, "x.toml")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rate_rps": float("nan")}, "rate_rps = nan; must be a finite number"),
        ({"rate_rps": float("inf")}, "rate_rps = inf; must be a finite number"),
        ({"rate_rps": 10**400}, "must be a finite number"),
        ({"rate_rps": "20"}, "rate_rps = '20'; must be a finite number"),
        ({"rate_rps": True}, "rate_rps = True; must be a finite number"),
        ({"limit_s": "no"}, "limit_s = 'no'; must be a finite number"),
        ({"clients": 1.0}, "clients = 1.0; must be a whole number"),
        ({"clients": False}, "clients = False; must be a whole number"),
        ({"name": 1}, "name = 1; must be text"),
        ({"fast": 1}, "fast = 1; must be true or false"),
        ({"order": "lifo"}, "order = 'lifo'; must be one of edf, fifo"),
        ({"order": ["edf"]}, "must be one of edf, fifo"),
        ({"shape": [1, 2, 3]}, "shape = [1, 2, 3]; must have 2 values"),
        ({"shape": 3}, "shape = 3; must be a list"),
        ({"shape": "12"}, "shape = '12'; must be a list"),
        ({"payloads": [1, 2.5]}, "payloads[1] = 2.5; must be a whole number"),
        ({"inner": 3}, "inner = 3; must be a table"),
        ({"inner": {"length_s": "x"}}, "x.toml: inner: length_s = 'x'; must be a finite number"),
        ({"inner": {}}, "x.toml: inner: length_s is missing"),
        ({"table": [1]}, "table = [1]; must be a table"),
        ({"mapping": 1}, "mapping = 1; must be a table"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_a_value_of_the_wrong_type_is_refused_with_place_value_and_rule(values, told):
    text = reason(**values)
    assert text.startswith("x.toml: ")
    assert told in text


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_toml_file_is_read_as_a_table(tmp_path):
    assert read_toml(written(tmp_path / "a.toml", b"a = 1\n[b]\nc = 'd'\n")) == {"a": 1, "b": {"c": "d"}}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml: no such file$"):
        read_toml(tmp_path / "nowhere.toml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_toml(tmp_path)


def test_malformed_toml_is_refused_with_its_line(tmp_path):
    with pytest.raises(UsageError, match=r"a\.toml: not valid TOML: .*line 2"):
        read_toml(written(tmp_path / "a.toml", b"a = 1\nb = = 2\n"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = '\x80'", b"PK\x03\x04"])
def test_bytes_that_are_no_text_are_refused(tmp_path, content):
    with pytest.raises(UsageError, match="not valid TOML"):
        read_toml(written(tmp_path / "a.toml", content))
