"""Where sponge-bench keeps what it can make or fetch again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "SPONGE_BENCH_CACHE"


def cache_dir() -> Path:
    """$SPONGE_BENCH_CACHE, else the platform's cache folder. Nothing is created."""
    if value := os.environ.get(CACHE_VARIABLE):
        return Path(value)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sponge-bench"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sponge-bench"
