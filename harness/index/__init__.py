"""Which runs and sweeps lie under a folder of results, and which of them a figure was drawn from."""

from harness.index.cache import index
from harness.index.entries import Entry
from harness.index.find import Wanted, newest_run, runs_behind, select

__all__ = ["Entry", "Wanted", "index", "newest_run", "runs_behind", "select"]
