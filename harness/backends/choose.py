"""Which backend a run gets."""

from __future__ import annotations

from harness.backends.limits import CpuLimiter, DutyCycleLimiter, GroupLimiter, writable_root
from harness.backends.process import ProcessRuntime
from harness.backends.service import ServiceBackend


def process_backend(gateway_port: int = 0) -> ServiceBackend:
    """Local processes, limited by a control group where one is writable, else by duty-cycling."""
    return ServiceBackend(ProcessRuntime(cpu_limiter(), gateway_port))


def cpu_limiter() -> CpuLimiter:
    """The best CPU limiter this process may use."""
    root = writable_root()
    return DutyCycleLimiter() if root is None else GroupLimiter(root)
