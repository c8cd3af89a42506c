"""Gateway and replicas as hardened containers on a private network, resized in place through the Docker Engine."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from harness.backends import cgroup, image
from harness.backends.base import base_image
from harness.backends.cgroup import Counters, CpuGroup
from harness.backends.owner import run_labels, this_process
from harness.backends.process import replica_command
from harness.errors import BenchError, UsageError
from harness.types import Service

GATEWAY = "gateway"
GATEWAY_PORT = 8000
REPLICA_PORT = 8001
ENGINE_TIMEOUT_S = 60
ASK_TIMEOUT_S = 5
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
SHOWN_LINES = 5
REMOVE_TIMEOUT_S = 20.0
LOOPBACK = "127.0.0.1"
NAME_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MIB = 1024 * 1024
MEMORY_BYTES = {"gateway": 1024 * MIB, "replica": 2048 * MIB}
HARDENING: Mapping[str, Any] = {
    "user": "65532:65532",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 256,
    "init": True,
    "ipc_mode": "private",
    "log_config": {"type": "json-file", "config": {"max-size": "1m", "max-file": "1"}},
}
READ_LIMIT = "cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"


def engine_reason() -> str | None:
    """Why no Docker engine can be used from here, or None when one answers."""
    if refused := _socket_refusal():
        return f"no Docker engine answers ({refused})"
    try:
        client = docker.from_env(timeout=ASK_TIMEOUT_S)
        try:
            kind = client.version()["Os"]
        finally:
            client.close()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers ({image.last_line(str(error))})"
    return None if kind == "linux" else f"the Docker engine runs {kind} containers; must run Linux ones"


def _socket_refusal() -> str:
    """Why the engine's local socket cannot be connected; nothing when it can, or when the engine is elsewhere."""
    scheme, _, path = os.environ.get("DOCKER_HOST", DEFAULT_SOCKET).partition("://")
    if scheme != "unix":
        return ""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ASK_TIMEOUT_S)
            probe.connect(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""


class DockerRuntime:
    """Implements `harness.backends.service.Runtime` with containers.

    base: the base image asked for, if any. gateway_port: 0 takes a free one. say: told what takes long.
    """

    def __init__(self, say: image.Say, base: str | None = None, gateway_port: int = 0) -> None:
        self._say = say
        self._base = base
        self._gateway_port = gateway_port
        self._client: docker.DockerClient | None = None
        self._service: Service | None = None
        self._packages = ""
        self._image = ""
        self._networks: dict[str, Network] = {}
        self._containers: dict[str, Container] = {}
        self._groups: dict[str, CpuGroup | None] = {}

    @property
    def name(self) -> str:
        """As recorded in the manifest."""
        return "docker"

    def prepare(self) -> None:
        """Have the base image and the packages, the slow part. Raises BenchError with the reason."""
        with asking("connect to the Docker engine"):
            self._client = docker.from_env(timeout=ENGINE_TIMEOUT_S)
        base = base_image(self._client, self._base, self._say)
        self._packages = image.packages_image(self._client, base, self._say)

    def open(self, service: Service) -> None:
        """Have the image with this model, and the networks."""
        if not NAME_RULE.fullmatch(service.run_id):
            raise UsageError(f"run id = {service.run_id!r}; must be letters, digits, '_', '.' and '-'")
        if self._client is None:
            self.prepare()
        self._service = service
        self._image = image.service_image(self._engine, self._packages, Path(service.model_path))
        for name, internal in (("inner", True), ("outer", False)):
            with asking(f"create the {name} network"):
                self._networks[name] = self._engine.networks.create(
                    self._name(name), driver="bridge", internal=internal, labels=self._labels()
                )

    def launch_gateway(self, config: Mapping[str, Any]) -> str:
        """Start the gateway, published on the loopback address only, and with a foot in the replicas' network."""
        command = ["harness.serve", "--host", "0.0.0.0", "--port", str(GATEWAY_PORT), "--config", json.dumps(config)]
        ports = {f"{GATEWAY_PORT}/tcp": (LOOPBACK, self._gateway_port or None)}
        container = self._create(GATEWAY, command, "outer", MEMORY_BYTES["gateway"], ports=ports)
        with asking("connect the gateway to the replicas"):
            self._networks["inner"].connect(container)
        self._start(container, GATEWAY)
        published = container.attrs["NetworkSettings"]["Ports"][f"{GATEWAY_PORT}/tcp"]
        return f"http://{LOOPBACK}:{published[0]['HostPort']}"

    def launch_replica(self, name: str, threads: int, cores: float | None) -> str:
        """Start a replica; it is reachable from the gateway only, under its own name."""
        command = replica_command(self._opened(), "0.0.0.0", REPLICA_PORT, threads, "/opt/model.onnx")
        quota, period = cgroup.quota_us(math.inf if cores is None else cores)
        limits = {"cpu_period": period, "cpu_quota": quota}
        container = self._create(name, command, "inner", MEMORY_BYTES["replica"], hostname=name, **limits)
        try:
            self._start(container, name)
        except BenchError:
            with suppress(BenchError):  # what went wrong first is what counts
                self.remove(name)  # else its name is taken whenever this replica is wanted again
            raise
        self._groups[name] = visible_group(container)
        return f"http://{self._name(name)}:{REPLICA_PORT}"

    def _create(self, name: str, command: Sequence[str], network: str, memory_bytes: int, **more: Any) -> Container:
        with asking(f"create container {name}"):
            return self._engine.containers.create(
                self._image, ["python3", "-m", *command], name=self._name(name), labels=self._labels(),
                network=self._name(network), mem_limit=memory_bytes, memswap_limit=memory_bytes, **HARDENING, **more,
            )  # fmt: skip

    def _start(self, container: Container, name: str) -> None:
        self._containers[name] = container
        try:
            container.start()
            container.reload()
        except APIError as error:
            text = image.explained(error)
            if "port is already allocated" in text or "address already in use" in text:
                raise UsageError(f"gateway port = {self._gateway_port}; is taken on {LOOPBACK}") from error
            raise BenchError(f"{name} cannot be started: {text}") from error

    def check(self, name: str) -> None:
        """Raise BenchError with its last words when it has ended."""
        container = self._containers[name]
        with asking(f"look at {name}"):
            container.reload()
        state = container.attrs["State"]
        if state["Running"]:
            return
        why = "out of memory" if state.get("OOMKilled") else f"exit code {state['ExitCode']}"
        raise BenchError(f"{name} ended with {why}: {self._last_words(container)}")

    def _last_words(self, container: Container) -> str:
        with asking("read the log"):
            said = container.logs(tail=SHOWN_LINES).decode(errors="replace")
        return " | ".join(line for line in said.splitlines() if line.strip()) or "it said nothing"

    def set_cores(self, name: str, cores: float) -> None:
        """Change quota and period of the running container."""
        quota, period = cgroup.quota_us(cores)
        with asking(f"resize {name} to {cores:g} cores"):
            self._engine.api.update_container(self._containers[name].id, cpu_period=period, cpu_quota=quota)

    def read_cores(self, name: str) -> float:
        """The limit in force: the control group's own files, or the container's view of them."""
        group = self._groups.get(name)
        if group is not None:
            return cgroup.read_cores(group)
        with asking(f"read the limit of {name}"):
            code, said = self._containers[name].exec_run(["sh", "-c", READ_LIMIT])
        if code:
            raise BenchError(f"{name}: its CPU limit cannot be read ({said.decode(errors='replace').strip()})")
        return cgroup.parse_limit(said.decode())

    def counters(self, name: str) -> Counters:
        """The control group's own counters, or what the engine says of them."""
        group = self._groups.get(name)
        if group is not None:
            return cgroup.read_counters(group)
        with asking(f"read the counters of {name}"):
            return counters_of(self._engine.api.stats(self._containers[name].id, stream=False, one_shot=True))

    def remove(self, name: str) -> None:
        """Kill and remove a replica."""
        container = self._containers.pop(name)
        self._groups.pop(name, None)
        with asking(f"remove {name}"):
            container.remove(force=True, v=True)

    def facts(self) -> dict[str, str]:
        """Engine, image, and how the CPU is limited; before `open` the engine only."""
        with asking("ask the engine's version"):
            version = self._engine.version()
        if not self._image:
            return {"docker_engine": str(version["Version"])}
        visible = any(group is not None for group in self._groups.values())
        return {
            "docker_engine": str(version["Version"]),
            "image": self._image,
            "image_digest": image.image_id(self._engine, self._image),
            "packages_image": self._packages,
            "cpu_limiter": f"docker update, period {cgroup.PERIOD_S * 1e3:g} ms",
            "cpu_limit_read_from": "control group of the host" if visible else "inside of the container",
        }

    def close(self) -> None:
        """Remove the run's containers and networks, also those a cut-off call created without our knowing."""
        if self._client is None or self._service is None:
            return
        marks = run_labels(self._service.run_id, this_process())
        remove_all(self._engine, [f"{key}={value}" for key, value in marks.items()])
        self._containers.clear()
        self._networks.clear()
        self._groups.clear()
        self._client.close()  # its connections; it can be used again

    @property
    def _engine(self) -> docker.DockerClient:
        if self._client is None:
            raise BenchError("the Docker backend is not open")
        return self._client

    def _opened(self) -> Service:
        if self._service is None:
            raise BenchError("the Docker backend is not open")
        return self._service

    def _name(self, part: str) -> str:
        return f"sponge-bench-{self._opened().run_id}-{part}"

    def _labels(self) -> dict[str, str]:
        service = self._opened()
        return {**service.labels, **run_labels(service.run_id, this_process())}


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns the engine's refusal into a BenchError that says what was asked and why not."""
    try:
        yield
    except (DockerException, OSError) as error:
        raise BenchError(f"Docker: cannot {what}: {image.explained(error)}") from error


def remove_all(client: docker.DockerClient, labels: list[str]) -> None:
    """Kill and remove every container, then every network, with these labels."""
    with asking("list containers and networks"):
        containers = labelled_containers(client, labels)
        networks = client.networks.list(filters={"label": labels})
    for container in containers:
        remove(container, force=True, v=True)
    for network in networks:
        remove(network)


def labelled_containers(client: docker.DockerClient, labels: str | list[str]) -> list[Container]:
    """Every container with these labels, running or not."""
    return list(client.containers.list(all=True, filters={"label": labels}, ignore_removed=True))


def remove(thing: Container | Network, **options: bool) -> None:
    """Remove a container or network, also when somebody else is removing it just now."""
    deadline_s = time.monotonic() + REMOVE_TIMEOUT_S
    with asking(f"remove {thing.name}"):
        while True:
            try:
                thing.remove(**options)
            except NotFound:
                return
            except APIError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)
            else:
                return


def visible_group(container: Container) -> CpuGroup | None:
    """The container's control group in our own file system, when the engine runs on this very kernel."""
    pid = int(container.attrs["State"].get("Pid") or 0)
    if pid == 0 or platform.system() != "Linux":
        return None
    group = cgroup.group_of_process(pid)
    return group if group is not None and str(container.id) in str(group.cpu) else None


def counters_of(stats: Mapping[str, Any]) -> Counters:
    """Counters from the engine's statistics (nanoseconds, bytes)."""
    cpu, memory = stats.get("cpu_stats", {}), stats.get("memory_stats", {})
    details = memory.get("stats", {})
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Counters(
        cpu.get("cpu_usage", {}).get("total_usage", 0) / 1e9,
        cpu.get("throttling_data", {}).get("throttled_time", 0) / 1e9,
        max(0, memory.get("usage", 0) - inactive),
    )
