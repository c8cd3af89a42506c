"""A system under test: a name, how its policy is built, and where its settings are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.oracle.foresight import Foresight
from harness.policy.conditions import Conditions
from harness.seams import Policy

Build = Callable[[Conditions, Mapping[str, Any], str], Policy]  # conditions, settings, place for errors
Foresee = Callable[[Foresight, Mapping[str, Any], str], dict[str, Any]]  # the plan, settings, place; settings for Build


@dataclass(frozen=True, slots=True)
class System:
    """One line of the table in `systems/__init__.py`.

    foresee: for a bound that knows the whole plan: adds to its settings what it learns from it. Real systems have none.
    """

    name: str
    build: Build
    file: Path
    foresee: Foresee | None = None


@dataclass(frozen=True, slots=True)
class SystemFile:
    """What a system's TOML file says.

    engine: engine settings in which this system differs from the scenario's. settings: what its policy reads.
    """

    title: str
    source: str
    engine: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
