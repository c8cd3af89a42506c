"""The data path's decisions: queue order, batching, dispatch and shedding over k replicas. Pure; time is an argument."""

from harness.engine.engine import Engine

__all__ = ["Engine"]
