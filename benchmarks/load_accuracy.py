"""How late requests leave and arrive: the load driver beside a bare gevent sleep, on this machine, in one run.

    python benchmarks/load_accuracy.py [--seconds 8] [--rates 50,500,2000] [--shapes 4,4,1;253,400,3]

Both replay the same Poisson plans against the same reference server, which stamps arrivals itself. The comparison is
what one writes first: a gevent greenlet that sleeps until a request is due and spawns another to send it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from harness.load.lag import Lag, lag_of
from harness.load.message import images, request_template
from harness.load.reference import Service
from harness.load.reference_process import ReferenceProcess
from harness.load.selftest import Trial, poisson, replay, wire_lag

SERVICE = Service(0.001)
START_DELAY_S = 0.5


def main() -> None:
    """Measure every rate and size with both, and print a table."""
    options = parse()
    print("| rate/s | body, bytes | replayer | send p50 / p99 / p99.9 ms | wire p50 / p99 / p99.9 ms | core | stolen |")
    print("|---|---|---|---|---|---|---|")
    for shape in options.shapes:
        for rate_rps in options.rates:
            due_s = poisson(rate_rps, options.seconds, np.random.default_rng(1))
            trial = Trial("t", "t", due_s, shape, SERVICE, timeout_s=1.0)
            for name, measure in (("load driver", driver), ("gevent sleep", gevent_sleep)):
                stolen_s, begun_s = stolen(), time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    send, wire, core = measure(trial, Path(folder))
                share = (stolen() - stolen_s) / (time.monotonic() - begun_s)
                size = f"{int(np.prod(shape)):,}"
                print(f"| {rate_rps} | {size} | {name} | {show(send)} | {show(wire)} | {core:.0%} | {share:.1%} |")


def driver(trial: Trial, folder: Path) -> tuple[Lag, Lag, float]:
    """Send lag, wire lag and share of a core of the load driver."""
    outcome = replay(trial, folder)
    return outcome.ended.send_lag_s, wire_lag(outcome), outcome.ended.client_core


def gevent_sleep(trial: Trial, folder: Path) -> tuple[Lag, Lag, float]:
    """The same of a bare gevent sleep, in a process of its own."""
    np.savez(folder / "plan.npz", due_s=trial.due_s, shape=trial.image_shape)
    with ReferenceProcess(trial.service, folder / "arrivals.npy") as server:
        command = [sys.executable, __file__, "--replay", str(folder), "--port", str(server.port)]
        subprocess.run(command, check=True)
        server.stop()
        arrived_s = server.arrivals_s(len(trial.due_s))
    done = np.load(folder / "done.npz")
    came = np.isfinite(arrived_s)
    wire = lag_of(trial.due_s[came], arrived_s[came] - float(done["epoch_s"]))
    return lag_of(trial.due_s, done["sent_s"] - float(done["epoch_s"])), wire, float(done["core"])


def replay_with_gevent_sleep(folder: Path, port: int) -> None:
    """The comparison itself: sleep, spawn, send over a kept connection, read the answer."""
    import gevent
    from gevent import socket

    plan = np.load(folder / "plan.npz")
    shape = tuple(int(n) for n in plan["shape"])
    due_s, image = plan["due_s"].tolist(), images(shape, 1, seed=0)[0]
    template = request_template("127.0.0.1", "m", shape)
    sent_s, idle = np.full(len(due_s), np.nan), []

    def connect() -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(index: int) -> None:
        sock = idle.pop() if idle else connect()
        text = template.text(index, 1_000_000)
        sent_s[index] = time.monotonic()
        sock.sendall(text)
        sock.sendall(image)
        sock.recv(65536)
        idle.append(sock)

    idle.extend(connect() for _ in range(200))
    epoch_s, cpu_s = time.monotonic() + START_DELAY_S, time.process_time()
    greenlets = []
    for index, due in enumerate(due_s):
        gevent.sleep(max(0.0, epoch_s + due - time.monotonic()))
        greenlets.append(gevent.spawn(send, index))
    gevent.joinall(greenlets)
    core = (time.process_time() - cpu_s) / (time.monotonic() - epoch_s + START_DELAY_S)
    np.savez(folder / "done.npz", sent_s=sent_s, epoch_s=epoch_s, core=core)


def stolen() -> float:
    """CPU seconds the hypervisor gave to others so far."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def show(lag: Lag) -> str:
    """p50 / p99 / p99.9 in milliseconds."""
    return " / ".join(f"{1e3 * value_s:.2f}" for value_s in (lag.p50_s, lag.p99_s, lag.p999_s))


def parse() -> argparse.Namespace:
    """Options; `--replay` is how the script calls itself for the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each replay, s")
    parser.add_argument("--rates", type=lambda text: [int(n) for n in text.split(",")], default=[50, 500, 2000])
    parser.add_argument(
        "--shapes",
        type=lambda text: [tuple(int(n) for n in shape.split(",")) for shape in text.split(";")],
        default=[(4, 4, 1), (253, 400, 3)],
        help="height,width,channels of the images sent; several apart by semicolons",
    )
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay:
        replay_with_gevent_sleep(options.replay, options.port)
        sys.exit()
    return options


if __name__ == "__main__":
    main()
