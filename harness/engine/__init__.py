"""The data path's decisions: queue order, batching, dispatch and shedding over k replicas. Pure."""

from harness.engine.engine import Engine

__all__ = ["Engine"]
