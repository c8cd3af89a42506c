"""`sponge-bench selftest`: proves the load generator on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.errors import CheckError
from harness.load.selftest import SelfTest, run_selftest, store_selftest


def selftest() -> None:
    """Prove that the load generator keeps its schedule on this machine (under a minute, nothing else should run).

    Replays 50 requests/s with 303,600-byte bodies, 500/s with small ones, and 200/s against a server that stalls for
    two seconds, and compares what left and what arrived with the plan. Lag is in milliseconds behind the plan. The
    result is kept per host and shown in the manifest of every run. Exit code 3 when a check fails.

    Examples:

        sponge-bench selftest

        SPONGE_BENCH_CACHE=/tmp/cache sponge-bench selftest
    """
    console = Console()
    with tempfile.TemporaryDirectory(prefix="sponge-bench-") as folder, console.status("starting") as status:
        result = run_selftest(Path(folder), lambda text: status.update(f"replaying {text}"))
    path = store_selftest(result)
    console.print(table(result))
    console.print(
        f"timer: {result.timer}; scheduling: {result.scheduling}; meanwhile {result.busy_cores:.2f} cores of this "
        f"machine were busy and {result.stolen_cores:.2f} were taken by its host"
    )
    console.print(f"stored in {path}", soft_wrap=True)
    if not result.passed:
        failed = [f"{check.trial}: {check.name}" for check in result.checks if not check.passed]
        raise CheckError(f"selftest: {len(failed)} of {len(result.checks)} checks failed: {'; '.join(failed)}")


def table(result: SelfTest) -> Table:
    """The checks as a table: reached beside its bound."""
    shown = Table(title=f"load generator on {result.host}")
    for name in ("replay", "check", "reached", "must be", ""):
        shown.add_column(name)
    for check in result.checks:
        shown.add_row(check.trial, check.name, check.reached, check.bound, "ok" if check.passed else "FAILED")
    return shown
