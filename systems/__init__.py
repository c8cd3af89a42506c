"""The systems under test. To add one: write its folder, add its line."""

from __future__ import annotations

from pathlib import Path

from harness.policy.system import System
from systems.sponge import policy as sponge
from systems.static import policy as static

_HERE = Path(__file__).parent

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("sponge", sponge.build, _HERE / "sponge" / "system.toml"),
        System("static-max", static.build, _HERE / "static" / "static-max.toml"),
        System("static-half", static.build, _HERE / "static" / "static-half.toml"),
    )
}
