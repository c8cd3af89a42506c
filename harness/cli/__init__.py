"""The command line `sponge-bench`. Exit codes: 0 ok, 1 harness failure, 2 usage, 3 check failed, 4 run invalid."""

from __future__ import annotations

import os
import signal
import sys

import typer

from harness.cli.clean import clean
from harness.cli.listing import show_list
from harness.cli.plan import plan
from harness.cli.profile import profile
from harness.cli.run import run
from harness.cli.selftest import selftest
from harness.cli.solve import solve
from harness.cli.traces import app as traces
from harness.errors import BenchError

app = typer.Typer(
    name="sponge-bench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Trace-replay benchmarking of inference serving under dynamic service-level objectives.",
)
app.command()(run)
app.command(name="list")(show_list)
app.command()(plan)
app.command()(solve)
app.command()(profile)
app.command()(selftest)
app.command()(clean)
app.add_typer(traces, name="traces")


@app.callback()
def _top() -> None:
    """Commands print their units and defaults with --help."""


def _interrupt(_number: int, _frame: object) -> None:
    """SIGTERM and a closed terminal end a run as Ctrl-C does: all is stopped, what was measured is kept."""
    raise KeyboardInterrupt


def main() -> None:
    """Run a command; every failure is one line on standard error and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        app()
    except BenchError as error:
        print(f"sponge-bench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("sponge-bench: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # the one place: whatever we did not foresee still ends in one line
        if os.environ.get("SPONGE_BENCH_DEBUG"):
            raise
        print(f"sponge-bench: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a bug in sponge-bench; SPONGE_BENCH_DEBUG=1 shows where.", file=sys.stderr)
        sys.exit(BenchError.exit_code)
