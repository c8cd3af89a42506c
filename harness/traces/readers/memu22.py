"""5G-MeMU'22 uplink: blocks `Run k`, each with one line of Mbit/s per 100 ms, or four lines for two radios.

Source: Ghoshal et al., An In-Depth Study of Uplink Performance of 5G mmWave Networks, 2022.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import UsageError
from harness.traces.model import BandwidthTrace
from harness.traces.readers.samples import binned, steady
from harness.traces.source import Source, number

STEP_S = 0.1
_RUN = re.compile(r"Run\s+(\d+)\s*$", re.IGNORECASE)


def read_memu22(source: Source) -> Mapping[str, BandwidthTrace]:
    """Uplink traces by key: `run-1`, or `run-1/nr` and `run-1/lte` where the run has NR time, NR, LTE time, LTE.

    The LTE times of such runs jump back by seconds where logs were joined; samples are averaged per 100 ms.
    """
    runs: dict[str, list[tuple[int, list[float]]]] = {}
    current: list[tuple[int, list[float]]] | None = None
    for line, text in source.lines():
        text = text.strip()
        if text.startswith("#"):
            continue
        if found := _RUN.match(text):
            current = runs.setdefault(f"run-{found[1]}", [])
        elif current is None:
            raise UsageError(f"{source.path}:{line}: starts with {text[:40]!r}; must start with 'Run 1'")
        else:
            current.append((line, _values(source, line, text)))
    if not runs:
        raise UsageError(f"{source.path}: no 'Run k' line; must have at least one run")
    return {key: trace for run, block in runs.items() for key, trace in _run(source, run, block).items()}


def _values(source: Source, line: int, text: str) -> list[float]:
    values = []
    for position, field in enumerate(text.strip(",").split(","), start=1):
        try:
            values.append(number(field, f"value {position}", 0.0))
        except ValueError as fault:
            source.fault(line, str(fault))
    return values


def _run(source: Source, run: str, block: list[tuple[int, list[float]]]) -> dict[str, BandwidthTrace]:
    lines = [values for _, values in block]
    if len(lines) == 1:
        return {run: steady(source, lines[0], STEP_S, "up")}
    if len(lines) != 4:
        raise UsageError(f"{source.path}: {run} has {len(lines)} lines of values; must have 1 or 4")
    radios = (("nr", block[0], lines[1]), ("lte", block[2], lines[3]))
    found = {}
    for radio, (line, times), values in radios:
        if len(times) != len(values):
            source.fault(line, f"{len(times)} times but {len(values)} values in the next line; must be equal")
            continue
        found[f"{run}/{radio}"] = binned(source, times, values, STEP_S, "up")
    return found
