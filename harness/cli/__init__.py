"""The command line `sponge-bench`. Exit codes: 0 ok, 1 harness failure, 2 usage, 3 check failed, 4 run invalid.

A new command is one line in harness/cli/commands.py.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from harness.cli.commands import OnCall
from harness.errors import BenchError, Interrupted, UsageError

app = typer.Typer(
    name="sponge-bench",
    cls=OnCall,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Trace-replay benchmarking of inference serving under dynamic service-level objectives.",
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"sponge-bench {version('sponge-bench')}")
        raise typer.Exit


@app.callback()
def _top(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
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
        sys.exit(Interrupted.exit_code)
    except SystemExit as stop:  # the command line library turns an interrupt into this, without a word
        if stop.code == Interrupted.exit_code:
            print("sponge-bench: interrupted; what was finished stays", file=sys.stderr)
        raise
    except Exception as error:  # the one place: whatever we did not foresee still ends in one line
        if os.environ.get("SPONGE_BENCH_DEBUG"):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            print(f"sponge-bench: {error.filename}: {error.strerror}", file=sys.stderr)
            sys.exit(UsageError.exit_code)
        print(f"sponge-bench: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a bug in sponge-bench; SPONGE_BENCH_DEBUG=1 shows where.", file=sys.stderr)
        sys.exit(BenchError.exit_code)
