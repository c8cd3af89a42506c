"""`sponge-bench list`: scenarios and systems, one line each."""

from __future__ import annotations

import typer

from harness.policy.system import SystemFile
from harness.scenario import load_scenario, scenario_names
from harness.settings import from_mapping, read_toml
from systems import SYSTEMS


def show_list() -> None:
    """Show scenarios and systems.

    Examples:

      sponge-bench list

      sponge-bench list | grep 5g
    """
    scenarios = {name: load_scenario(name, SYSTEMS) for name in scenario_names()}
    _section(
        "Scenarios (make bench SCENARIO=name)",
        {n: f"{s.title} [{len(s.systems)} systems x {s.plan.duration_s:g} s]" for n, s in scenarios.items()},
    )
    files = {
        name: from_mapping(SystemFile, read_toml(system.file), system.file.name) for name, system in SYSTEMS.items()
    }
    _section("Systems (--systems a,b)", {name: file.title for name, file in files.items()})


def _section(title: str, lines: dict[str, str]) -> None:
    width = max(map(len, lines), default=0)
    typer.echo(title)
    for name, text in lines.items():
        typer.echo(f"  {name:<{width}}  {text}")
    typer.echo()
