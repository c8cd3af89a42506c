"""`sponge-bench run --backend simulated`: what the twin needs, and its runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from harness.cli.display import Watcher
from harness.kernel import VARIABLE
from harness.replica.models import model_file
from harness.run.bench import Prepared, RunRequest, new_run_id, prepare
from harness.run.simulated import default_jobs, run_simulated
from harness.run.twin_model import twin_model
from harness.traces import Trace

SIMULATED = "simulated"
Say = Callable[[str], None]


def run_in_twin(
    request: RunRequest, traces: dict[str, Trace], host: Mapping[str, Any], watch: Watcher, say: Say
) -> tuple[Prepared, list[dict[str, Any]]]:
    """Run everything in virtual time, on all cores. Raises UsageError when there is no latency profile."""
    model = twin_model(request.scenario, model_file(request.model or request.scenario.service.model).name, host)
    say(f"backend simulated: virtual time, latency profile {' '.join(map(str, model.source.values()))}")
    for note in model.notes:
        say(note)
    prepared = prepare(request, model.latency, traces, new_run_id())
    os.environ.setdefault(VARIABLE, "compiled")  # for the processes to come; they say in the manifest what they got
    with watch:
        jobs = default_jobs(len(request.systems) * len(request.seeds))
        return prepared, run_simulated(prepared, traces, model, watch, jobs)
