"""The compiled kernel and the Python files it was compiled from give the same rows, to the last bit."""

import json
import os
import subprocess
import sys

import pytest

from harness.cache import CACHE_VARIABLE, cache_dir
from harness.kernel import KERNEL, VARIABLE, kernel_dir

PROGRAM = """
import json, sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
import numpy as np
from harness.kernel import KERNEL, kernel_in_use
from harness.latency import LatencyModel
from harness.policy.conditions import Conditions, CoreGrid
from harness.record import decision_row, usage_row
from harness.sim.loop import Sinks
from harness.sim.simulation import Simulation, simulate
from harness.sim.spec import TwinSpec
from harness.tables import DECISIONS, USAGE, table_of, write_parquet
from harness.types import Allocation, EngineSettings
from systems.sponge.policy import SpongePolicy, SpongeSettings

folder, load = Path(sys.argv[1]), json.loads(sys.argv[2])
rng = np.random.default_rng(3)
due_s = np.cumsum(rng.exponential(1 / load["rate_rps"], load["requests"]))
ids, zeros = np.arange(len(due_s)), np.zeros(len(due_s))
plan = dict(id=ids, client=ids, created_s=due_s, due_s=due_s, payload_bytes=ids, uplink_s=zeros, slo_s=zeros)
plan["deadline_s"] = due_s + rng.uniform(0.05, 1.0, len(due_s))
latency = LatencyModel(0.024, 0.002, 0.004, 0.004)
policy = SpongePolicy(Conditions(CoreGrid(0.5, 4.0, 0.5), 8, 1.0, 1.0, latency), SpongeSettings())
gateway = {"engine": asdict(EngineSettings(**load["engine"])), "latency": latency.to_dict(), "window_s": 5.0}
spec = TwinSpec(resize_delay_s=(0.003, 0.05, 0.4), outbound_s=(0.001, 0.01), routing=load["routing"])
start = Allocation(1.0, 2, load["replicas"])
ratios = {(1, 1.0): (0.9, 1.0, 1.3), (4, 2.0): (0.95, 1.0, 1.6)}
tables, decisions, usage = [], [], []
sinks = Sinks(lambda *row: decisions.append(decision_row(*row, None)), usage.extend)
simulate(Simulation(gateway, policy, start, 1.0, spec, 7, ratios), [plan], tables.append, sinks)
write_parquet(folder / "requests.parquet", tables[0])
write_parquet(folder / "decisions.parquet", table_of(decisions, DECISIONS))
write_parquet(folder / "usage.parquet", table_of(map(usage_row, usage), USAGE))
print(json.dumps([kernel_in_use(), *(import_module(name).__file__ for name in KERNEL)]))
"""
LOADS = {
    "ordinary load": {"rate_rps": 40, "engine": {"drop": "hopeless"}, "routing": "shared", "replicas": 1},
    "overload": {"rate_rps": 300, "engine": {"drop": "hopeless"}, "routing": "shared", "replicas": 1},
    "batches close by slack": {"rate_rps": 60, "engine": {"close": "slack"}, "routing": "shared", "replicas": 1},
    "a line per replica": {"rate_rps": 90, "engine": {"order": "fifo"}, "routing": "random", "replicas": 3},
}
TABLES = ("requests", "decisions", "usage")


def ran(folder, load, kernel, **environment):
    """(kernel in use, file of each of its modules) of a simulation in a process of its own; its tables are there."""
    folder.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(folder), json.dumps({"requests": 1500, **load})]
    everything = {**os.environ, VARIABLE: kernel, **environment}
    done = subprocess.run(command, env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    in_use, *files = json.loads(done.stdout)
    return in_use, files


@pytest.fixture(scope="module")
def _compiled():
    """Skips when there is no compiled kernel of exactly these sources; compiling takes minutes."""
    if not kernel_dir(cache_dir()).is_dir():
        pytest.skip("no compiled kernel of these sources in the cache: make compile")


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_the_compiled_kernel_writes_the_bytes_the_python_files_write(tmp_path, load):
    ran(tmp_path / "python", load, "python")
    ran(tmp_path / "compiled", load, "compiled")
    for name in TABLES:
        python, compiled = (tmp_path / kernel / f"{name}.parquet" for kernel in ("python", "compiled"))
        assert python.read_bytes() == compiled.read_bytes(), name


@pytest.mark.usefixtures("_compiled")
def test_every_module_of_the_kernel_comes_from_the_compiled_one(tmp_path):
    in_use, files = ran(tmp_path / "compiled", {**LOADS["ordinary load"], "requests": 10}, "compiled")
    assert (in_use, len(files)) == ("compiled", len(KERNEL))
    assert all(file.startswith(str(kernel_dir(cache_dir()))) for file in files)


def test_without_a_compiled_kernel_the_python_files_run(tmp_path):
    load = {**LOADS["ordinary load"], "requests": 10}
    in_use, files = ran(tmp_path / "python", load, "compiled", **{CACHE_VARIABLE: str(tmp_path / "empty")})
    assert in_use == "python"
    assert all(file.endswith(".py") for file in files)
