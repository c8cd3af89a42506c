"""`sponge-bench run --backend simulated`: what the twin needs, and its runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from harness.cli.display import Watcher
from harness.errors import Interrupted
from harness.kernel import VARIABLE
from harness.replica.models import model_file
from harness.results.folders import session_folders, unfinished_in
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
    many = len(request.systems) * len(request.seeds)
    try:
        with watch:
            return prepared, run_simulated(prepared, traces, model, watch, default_jobs(many))
    except KeyboardInterrupt as stop:
        left = len(unfinished_in(prepared.folder)) if session_folders(prepared.folder) else many
        raise Interrupted(
            f"interrupted; {many - left} of {many} sessions ended, they are in {prepared.folder}"
        ) from stop
