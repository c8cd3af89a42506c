"""TOML into frozen dataclasses, strictly: unknown keys, wrong types and numbers that are not finite are errors."""

from __future__ import annotations

import json
import sys
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from harness.errors import UsageError, bad_value, unknown_name

T = TypeVar("T")
LARGEST = sys.float_info.max  # whole numbers in TOML have no end


def read_toml(path: Path) -> dict[str, Any]:
    """The file's table. Raises UsageError with the line when it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error


def from_mapping(cls: type[T], data: Mapping[str, Any], place: str) -> T:
    """An instance of a dataclass from plain values; nested tables become nested dataclasses.

    Raises UsageError: `place: key = value; rule`, or an unknown key with the nearest valid one.
    """
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise unknown_name(place, "key", key, known)
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{place}: {name} is missing; it must be given")
    return cls(**{key: convert(hints[key], value, place, key) for key, value in data.items()})


def convert(hint: Any, value: Any, place: str, key: str) -> Any:
    """`value` as the type `hint` says; the error names place and key."""
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            raise bad_value(place, key, value, f"must be one of {', '.join(map(str, get_args(hint)))}")
        return value
    if origin in (Union, types.UnionType):
        inner = [arm for arm in get_args(hint) if arm is not type(None)]
        return convert(inner[0], value, place, key)
    if origin is tuple:
        return _tuple(get_args(hint), value, place, key)
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        return _table(get_args(hint), value, place, key)
    if isinstance(hint, type) and is_dataclass(hint):
        table = _typed(value, dict, place, key, "must be a table")
        return from_mapping(hint, table, f"{place}: {key}")
    return _scalar(hint, value, place, key)


def _tuple(arms: tuple[Any, ...], value: Any, place: str, key: str) -> tuple[Any, ...]:
    items = _typed(value, list | tuple, place, key, "must be a list")
    if len(arms) == 2 and arms[1] is Ellipsis:
        return tuple(convert(arms[0], item, place, f"{key}[{i}]") for i, item in enumerate(items))
    if len(items) != len(arms):
        raise bad_value(place, key, value, f"must have {len(arms)} values")
    return tuple(
        convert(arm, item, place, f"{key}[{i}]") for i, (arm, item) in enumerate(zip(arms, items, strict=True))
    )


def _table(arms: tuple[Any, ...], value: Any, place: str, key: str) -> dict[str, Any]:
    table: dict[str, Any] = _typed(value, dict, place, key, "must be a table")
    if len(arms) == 2 and isinstance(arms[1], type) and is_dataclass(arms[1]):
        return {name: convert(arms[1], item, f"{place}: {key}", name) for name, item in table.items()}
    return table


def _typed(value: Any, kind: Any, place: str, key: str, rule: str) -> Any:
    if not isinstance(value, kind):
        raise bad_value(place, key, value, rule)
    return value


def _scalar(hint: Any, value: Any, place: str, key: str) -> Any:
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
            raise bad_value(place, key, value, "must be a finite number")
        return float(value)
    if hint is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise bad_value(place, key, value, "must be a whole number")
    if hint in (str, bool, int):
        names = {str: "text", bool: "true or false", int: "a whole number"}
        return _typed(value, hint, place, key, f"must be {names[hint]}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UsageError for anything else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: must be a JSON object")
    return data
