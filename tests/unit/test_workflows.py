"""The workflows of GitHub Actions: that they parse, run what there is, and may do no more than they must."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+)\s*\?=", (ROOT / "Makefile").read_text(), re.MULTILINE))
SHELL = {"cat"}


def read(path):
    return yaml.safe_load(path.read_text())


JOBS = [(path.name, name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items()]
STEPS = [(file, name, step) for file, name, job in JOBS for step in job["steps"]]
IDS = [f"{file}-{name}-{at}" for at, (file, name, _) in enumerate(STEPS)]


def test_there_is_one_for_every_change_and_one_for_every_night():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "nightly.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_does_not_run_twice_at_once(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "group" in workflow["concurrency"]


@pytest.mark.parametrize(("file", "name", "job"), JOBS, ids=[f"{file}-{name}" for file, name, _ in JOBS])
def test_a_job_ends_by_itself(file, name, job):
    assert job["timeout-minutes"] <= 60, f"{file}: {name}"


@pytest.mark.parametrize(("file", "name", "step"), STEPS, ids=IDS)
def test_a_step_runs_what_there_is(file, name, step):
    if "run" not in step:
        return
    program, *arguments = shlex.split(step["run"])
    if program == "make":
        targets = [word for word in arguments if "=" not in word]
        assert set(targets) <= TARGETS, f"{file}: {name}"
        assert {word.partition("=")[0] for word in arguments if "=" in word} <= VARIABLES
    else:
        assert program in SHELL or (ROOT / program).is_file(), f"{file}: {name}"


@pytest.mark.parametrize(("file", "name", "step"), STEPS, ids=IDS)
def test_an_action_is_pinned_to_a_major_version(file, name, step):
    if "uses" in step:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), f"{file}: {name}"


@pytest.mark.parametrize("file", ["ci.yml", "nightly.yml"])
def test_artefacts_are_kept_when_the_check_failed_too(file):
    uploads = [step for at, _, step in STEPS if at == file and step.get("uses", "").startswith("actions/upload")]
    assert [step["if"] for step in uploads] == ["always()"]


def test_ci_calls_the_script_that_anyone_can_call():
    assert any(step.get("run") == ".ci/run" for file, _, step in STEPS if file == "ci.yml")
