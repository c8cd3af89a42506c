"""The whole of it on containers: the 90 s cut of `paper-small`, from traces to Parquet, through Locust."""

import subprocess
import sys
from pathlib import Path

import docker
import pandas as pd
import pytest

from harness.backends.containers import labelled_containers
from harness.backends.owner import LABEL_RUN
from harness.record import read_manifest

pytestmark = pytest.mark.docker
ROOT = Path(__file__).parents[2]
VALID, INVALID = 0, 4  # invalid where the machine made the load generator late: kept, marked, and said


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """What the command answered, and the folder of its one system and seed."""
    out = tmp_path_factory.mktemp("results")
    command = [Path(sys.executable).with_name("sponge-bench"), "run", "paper-small-ci", "--backend", "docker"]
    command += ["--systems", "sponge", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    (folder,) = out.glob("paper-small-ci/*/sponge/seed-1")
    return done, folder


@pytest.fixture(scope="module")
def manifest(ended):
    return read_manifest(ended[1])


def test_the_run_ends_valid_or_says_why_not(ended, manifest):
    done, _ = ended
    assert (done.returncode, manifest["state"]) in {(VALID, "done"), (INVALID, "done")}, done.stdout + done.stderr
    assert manifest["valid"] or any("send lag" in reason for reason in manifest["invalid_reasons"])


def test_every_planned_request_ends_once(ended, manifest):
    rows = pd.read_parquet(ended[1] / "requests.parquet")
    assert len(rows) == rows["id"].nunique() == manifest["counts"]["planned"] > 1000


def test_requests_are_served(manifest):
    assert manifest["counts"]["served"] > 0.5 * manifest["counts"]["planned"]


def test_cores_were_changed_in_place_and_read_back(ended):
    rows = pd.read_parquet(ended[1] / "decisions.parquet")
    changed = rows[(rows["outcome"] == "ok") & (rows["effective_cores"].diff().abs() > 0)]
    assert len(changed) > 0
    assert (changed["effective_cores"] - changed["target_cores"]).abs().max() < 1e-3


def test_no_more_cpu_was_used_than_was_granted(ended):
    rows = pd.read_parquet(ended[1] / "usage.parquet")
    assert 0 < rows["used_cores"].mean() <= 1.05 * rows["granted_cores"].mean()


def test_nothing_is_left_of_it(ended):
    client = docker.from_env()
    label = f"{LABEL_RUN}={ended[1].parents[1].name}"
    assert [*labelled_containers(client, label), *client.networks.list(filters={"label": label})] == []
    client.close()
