"""What runs whose harness is gone have left behind: processes, control groups, files, containers, networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

import docker
import psutil

from harness.backends import cgroup, containers
from harness.backends.base import building_dir
from harness.backends.limiter import wake
from harness.backends.owner import (
    ENV_OWNER,
    ENV_RUN,
    LABEL,
    LABEL_OWNER,
    LABEL_RUN,
    Owner,
    parse_own_name,
    parse_owner,
)
from harness.cache import cache_dir
from harness.errors import BenchError

END_TIMEOUT_S = 3.0
REMOVE_OPTIONS = {"container": {"force": True, "v": True}, "network": {}}


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing of a run. owner: None when it does not say whose it is, and then it may be anybody's."""

    kind: str
    name: str
    run_id: str
    owner: Owner | None
    remove: Callable[[], None]

    @property
    def is_left(self) -> bool:
        """Whether its harness is known to be gone."""
        return self.owner is not None and not self.owner.is_alive()

    def text(self) -> str:
        """As shown to the user."""
        return f"{self.kind} {self.name} (run {self.run_id})"


def find_all() -> list[Leftover]:
    """Everything any run has created that still exists, live or not, in the order in which it can be removed."""
    return [*find_processes(), *find_groups(), *find_folders(), *find_engine_things()]


def find_processes() -> Iterator[Leftover]:
    """Processes that carry a run's mark in their environment; never this one."""
    mine = psutil.Process().pid
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            marks = process.environ()
            if ENV_RUN in marks and process.pid != mine:
                owner = parse_owner(marks.get(ENV_OWNER, ""))
                name = f"{process.pid} {process.name()}"
                yield Leftover("process", name, marks[ENV_RUN], owner, partial(end_process, process))


def end_process(process: psutil.Process) -> None:
    """Ask a process to end, stopped or not, then make it."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        wake(process.pid)
        try:
            process.wait(END_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(END_TIMEOUT_S)


def find_groups() -> Iterator[Leftover]:
    """Control groups of runs."""
    root = cgroup.own_root()
    if root is None or not root.cpu.is_dir():
        return
    for path in sorted(root.cpu.iterdir()):
        if path.is_dir():
            run_id, owner = parse_own_name(path.name)
            yield Leftover("control group", path.name, run_id, owner, partial(remove_group, root, path.name))


def remove_group(root: cgroup.CpuGroup, name: str) -> None:
    """Remove a run's control group. Raises BenchError when something in it still runs."""
    if not cgroup.remove_group(cgroup.child_group(root, name)):
        raise BenchError(f"control group {name}: cannot be removed, something in it still runs")
    cgroup.remove_if_empty(root)


def find_folders() -> Iterator[Leftover]:
    """Folders of builds."""
    folder = building_dir()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        run_id, owner = parse_own_name(path.name)
        yield Leftover("folder", str(path), run_id, owner, partial(shutil.rmtree, path, ignore_errors=True))


def find_engine_things() -> Iterator[Leftover]:
    """Containers, then networks; nothing when no engine answers."""
    if containers.engine_reason() is not None:
        return
    with closing(docker.from_env()) as client, containers.asking("list containers and networks"):
        found = [
            *(("container", c, c.labels) for c in containers.labelled_containers(client, LABEL)),
            *(("network", n, n.attrs["Labels"]) for n in client.networks.list(filters={"label": LABEL})),
        ]
    for kind, thing, labels in found:
        owner = parse_owner(labels.get(LABEL_OWNER, ""))
        run_id = labels.get(LABEL_RUN, "unknown")
        yield Leftover(kind, thing.name, run_id, owner, partial(containers.remove, thing, **REMOVE_OPTIONS[kind]))


def remove_cache() -> Iterator[str]:
    """Remove the images no container uses, and the wheels they were made from; yields what went."""
    if containers.engine_reason() is None:
        with closing(docker.from_env()) as client, containers.asking("remove images"):
            done = client.images.prune(filters={"dangling": False, "label": f"{LABEL}=1"})
        yield from (f"image {entry['Untagged']}" for entry in done.get("ImagesDeleted") or [] if "Untagged" in entry)
    wheels = cache_dir() / "wheels"
    if wheels.is_dir():
        shutil.rmtree(wheels)
        yield f"folder {wheels}"
