"""The systems under test. To add one: write its folder, add its line."""

from __future__ import annotations

from pathlib import Path

from harness.policy.system import System
from systems.fa2 import policy as fa2
from systems.fa2_prototype import policy as fa2_prototype
from systems.hpa import policy as hpa
from systems.oracle import policy as oracle
from systems.sponge import policy as sponge
from systems.sponge_prototype import policy as sponge_prototype
from systems.static import policy as static
from systems.vpa import policy as vpa

_HERE = Path(__file__).parent

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("sponge", sponge.build, _HERE / "sponge" / "system.toml"),
        System("sponge-fifo", sponge.build, _HERE / "sponge" / "sponge-fifo.toml"),
        System("sponge-no-batching", sponge.build, _HERE / "sponge" / "sponge-no-batching.toml"),
        System("sponge-hold", sponge.build, _HERE / "sponge" / "sponge-hold.toml"),
        System("sponge-maxout", sponge.build, _HERE / "sponge" / "sponge-maxout.toml"),
        System("sponge-reactive", sponge.build, _HERE / "sponge" / "sponge-reactive.toml"),
        System("sponge-prototype", sponge_prototype.build, _HERE / "sponge_prototype" / "system.toml"),
        System("static-max", static.build, _HERE / "static" / "static-max.toml"),
        System("static-max-no-batching", static.build, _HERE / "static" / "static-max-no-batching.toml"),
        System("static-half", static.build, _HERE / "static" / "static-half.toml"),
        System("static-8", static.build, _HERE / "static" / "static-8.toml"),
        System("static-8-batching", static.build, _HERE / "static" / "static-8-batching.toml"),
        System("static-12-batching", static.build, _HERE / "static" / "static-12-batching.toml"),
        System("static-16", static.build, _HERE / "static" / "static-16.toml"),
        System("static-16-batching", static.build, _HERE / "static" / "static-16-batching.toml"),
        System("fa2", fa2.build, _HERE / "fa2" / "system.toml"),
        System("fa2-prototype", fa2_prototype.build, _HERE / "fa2_prototype" / "system.toml"),
        System("hpa", hpa.build, _HERE / "hpa" / "system.toml"),
        System("vpa", vpa.build, _HERE / "vpa" / "vpa.toml"),
        System("vpa-fast", vpa.build, _HERE / "vpa" / "vpa-fast.toml"),
        System("oracle", oracle.build, _HERE / "oracle" / "system.toml", oracle.foresee),
    )
}
