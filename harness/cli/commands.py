"""The commands of `sponge-bench`, one line each; the module of a command is imported when the command is called.

Everything the harness can do needs seconds to import, what one command needs a fraction of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, where its function (or Typer application) is, and its line in the help."""

    name: str
    module: str
    function: str
    summary: str


ENTRIES = (
    Entry("run", "harness.cli.run", "run", "Replay a scenario against its systems."),
    Entry("sweep", "harness.cli.sweep", "sweep", "Simulate a scenario over a grid of its keys."),
    Entry("list", "harness.cli.listing", "show_list", "Show scenarios and systems."),
    Entry("plan", "harness.cli.plan", "plan", "Show what is in a scenario's plan."),
    Entry("solve", "harness.cli.solve", "solve", "Solve one instance of the integer program."),
    Entry("oracle", "harness.cli.oracle", "oracle", "Compute the floor: least cores that meet the deadlines."),
    Entry("profile", "harness.cli.profile", "profile", "Measure the latency of a model over batch sizes and cores."),
    Entry("results", "harness.cli.results", "results", "List the runs and sweeps that were kept."),
    Entry("compare", "harness.cli.compare", "compare", "Compare the systems of runs with a baseline."),
    Entry("report", "harness.cli.report", "report", "Write one HTML page about a run."),
    Entry("status", "harness.cli.status", "status", "Show how far a run is, or how it ended."),
    Entry("watch", "harness.cli.status", "watch", "Show a run as it goes, until it ends."),
    Entry("why", "harness.cli.why", "why", "Say why requests violated, and what alone would have saved them."),
    Entry("claims", "harness.cli.claims", "claims", "Judge the claims of the paper by stored runs."),
    Entry("figures", "harness.cli.figures", "figures", "Draw the figures of the paper from stored runs."),
    Entry("nightly", "harness.cli.nightly", "nightly", "Run the matrix and compare it with the reference."),
    Entry("reference", "harness.cli.nightly", "renew", "Take the numbers of now as the reference, with a reason."),
    Entry("reproduce", "harness.cli.reproduce", "reproduce", "Reproduce the paper, from traces to claims and figures."),
    Entry("fidelity", "harness.cli.fidelity", "fidelity", "Hold the twin against a real run, side by side."),
    Entry("selftest", "harness.cli.selftest", "selftest", "Prove that the load generator keeps its schedule here."),
    Entry("clean", "harness.cli.clean", "clean", "Remove what killed runs left behind."),
    Entry("traces", "harness.cli.traces", "app", "Real workloads and networks: list, show, fetch, check, draw."),
)
BY_NAME = {entry.name: entry for entry in ENTRIES}


class OnCall(TyperGroup):
    """A group whose commands are built when they are asked for."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(BY_NAME)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command of this name, imported now; None when there is none."""
        if cmd_name in BY_NAME and cmd_name not in self.commands:
            self.commands[cmd_name] = command_of(BY_NAME[cmd_name])
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the base class does, with a suggestion from all names, imported or not."""
        if args and args[0] not in BY_NAME and not args[0].startswith("-"):
            near = get_close_matches(args[0], BY_NAME, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """The list in the help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in ENTRIES])


def command_of(entry: Entry) -> Any:
    """The command of an entry, its module imported."""
    found = getattr(import_module(entry.module), entry.function)
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = entry.name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name=entry.name)(found)
    return typer.main.get_command(alone)
