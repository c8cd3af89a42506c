"""Another command of this program, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from harness.errors import BenchError, Interrupted

PROGRAM = "from harness.cli import main; main()"


def sponge_bench(arguments: Sequence[str], output: int | None = None) -> tuple[int, str]:
    """Run it; its exit code, and what it wrote when `output` is a pipe.

    It is asked to stop, and waited for, when this program is: what it has begun it ends in order. Raises
    KeyboardInterrupt when the user stopped it.
    """
    program = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=output, text=True) as process:
        try:
            text, _ = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode == Interrupted.exit_code:
        raise KeyboardInterrupt
    return process.returncode, text or ""


def must(arguments: Sequence[str], output: int | None = None) -> str:
    """Run it; what it wrote when `output` is a pipe. Raises BenchError when it fails."""
    code, text = sponge_bench(arguments, output)
    if code:
        raise BenchError(f"sponge-bench {' '.join(arguments)}: exit code {code}; what it said stands above")
    return text
