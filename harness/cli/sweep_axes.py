"""Axes and systems as they are typed on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from typing import Any

from harness.errors import UsageError, unknown_name


def axes_of(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`key=1,2,3` -> {"key": [1, 2, 3]}. Values are written as in TOML; a bare word is text. Raises UsageError."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, found, values = text.partition("=")
        key = key.strip()
        if not found or not key or not values.strip():
            raise UsageError(f"--set {text!r}; must be KEY=VALUE,VALUE,... as in plan.arrivals.rate_rps=10,20,40")
        if key in axes:
            raise UsageError(f"--set {text!r}; {key} may be given once")
        axes[key] = values_of(values)
    return axes


def values_of(text: str) -> list[Any]:
    """The values of an axis."""
    try:
        found: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        return [_value(part.strip()) for part in text.split(",") if part.strip()]
    return found


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def names_of(text: str | None, known: Collection[str]) -> tuple[str, ...]:
    """Comma-separated systems; none for None. Raises UsageError for an unknown or repeated one, or a text without any:
    an empty shell variable must not run what nobody asked for."""
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise UsageError(f"--systems = {text!r}; must name at least one, as in --systems sponge,static-max")
    for name in names:
        if name not in known:
            raise unknown_name("--systems", "system", name, known)
    if len(set(names)) != len(names):
        raise UsageError(f"--systems = {text!r}; each system may be named once")
    return names
