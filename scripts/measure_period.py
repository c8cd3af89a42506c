"""How the CFS period shapes service times under a fractional CPU quota; the numbers in docs/backends.md come from here.

Run as root on Linux, on an otherwise idle machine: `.venv/bin/python scripts/measure_period.py`. Batches of one image
go through a model on ONNX Runtime, back to back and also with idle pauses, in a control group with the quota and the
period under test. Rounds are interleaved, so that disturbances meet all periods alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.backends import cgroup
from harness.backends.limits import writable_root
from harness.backends.owner import own_name, this_process
from harness.replica.models import model_file
from harness.replica.runtime import Runtime
from harness.types import threads_for

IMAGE_SHAPE = (253, 400, 3)  # 303,600 bytes, the published payload
Cell = tuple[float, float]  # cores, period in seconds


@dataclass(frozen=True, slots=True)
class Round:
    """Wall and CPU seconds of every image, and throttled seconds per second."""

    wall_s: list[float]
    cpu_s: list[float]
    throttled: float


def work(model: Path, threads: int, seconds: float, pause_s: float) -> None:
    """Load the model, say so, wait for a line, serve single images for a while, print wall and CPU seconds of each."""
    runtime = Runtime(model, IMAGE_SHAPE, threads, threads)
    runtime.open()
    image = np.zeros((1, *IMAGE_SHAPE), np.uint8)
    times: dict[str, list[float]] = {"wall_s": [], "cpu_s": []}
    print("ready", flush=True)
    sys.stdin.readline()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        began_s, used_s = time.monotonic(), time.process_time()
        runtime.infer(image)
        times["wall_s"].append(time.monotonic() - began_s)
        times["cpu_s"].append(time.process_time() - used_s)
        time.sleep(pause_s)
    print(json.dumps(times))


def measure(root: cgroup.CpuGroup, cell: Cell, command: Sequence[str]) -> Round:
    """One worker under one quota and period, limited once its model is loaded."""
    cores, period_s = cell
    group = cgroup.child_group(root, own_name("period", this_process()))
    cgroup.make_group(group)
    try:
        cgroup.write_cores(group, cores, period_s)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdout.readline()
            for path in cgroup.directories(group):
                (path / "cgroup.procs").write_text(str(worker.pid))
            before, began_s = cgroup.read_counters(group), time.monotonic()
            said, _ = worker.communicate("go\n")
        after, elapsed_s = cgroup.read_counters(group), time.monotonic() - began_s
    finally:
        while not cgroup.remove_group(group):
            time.sleep(0.01)
    times = json.loads(said)
    return Round(times["wall_s"], times["cpu_s"], (after.throttled_s - before.throttled_s) / elapsed_s)


def main() -> None:
    """Measure all cells and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=float, nargs="+", default=[0.25, 0.5, 0.9, 1.3])
    parser.add_argument("--periods-ms", type=float, nargs="+", default=[10, 20, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--model", default="resnet18", help="built-in model or ONNX file")
    parser.add_argument("--pause-ms", type=float, default=0.0, help="idle between two images")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        model, threads, seconds, pause_s = options.worker
        work(Path(model), int(threads), float(seconds), float(pause_s))
        return
    root = writable_root()
    if root is None:
        sys.exit("measure_period.py: no writable control group")
    model = model_file(options.model).path
    cells = [(cores, period_ms / 1e3) for cores in options.cores for period_ms in options.periods_ms]
    found: dict[Cell, list[Round]] = defaultdict(list)
    for _ in range(options.rounds):
        for cell in cells:
            more = (str(model), str(threads_for(cell[0])), str(options.seconds), str(options.pause_ms / 1e3))
            found[cell].append(measure(root, cell, [sys.executable, __file__, "--worker", *more]))
    print(table(found))


def table(found: Mapping[Cell, Sequence[Round]]) -> str:
    """The cells as Markdown: ideal is CPU time over cores, the mean a perfectly smooth quota would give."""
    lines = [
        "| cores | period ms | n | wall p50 ms | p95 | p99 | std | CPU ms | p50/ideal | p99/ideal | throttled |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (cores, period_s), rounds in sorted(found.items()):
        wall_ms = 1e3 * np.concatenate([r.wall_s for r in rounds])
        cpu_ms = 1e3 * float(np.mean(np.concatenate([r.cpu_s for r in rounds])))
        p50, p95, p99 = np.quantile(wall_ms, [0.5, 0.95, 0.99])
        ideal = cpu_ms / cores
        throttled = np.mean([r.throttled for r in rounds])
        lines.append(
            f"| {cores:g} | {1e3 * period_s:g} | {len(wall_ms)} | {p50:.1f} | {p95:.1f} | {p99:.1f} "
            f"| {np.std(wall_ms):.1f} | {cpu_ms:.1f} | {p50 / ideal:.2f} | {p99 / ideal:.2f} | {throttled:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
