"""Which code numbers come from: a digest over the sources, for what must be done anew when they change."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECIDING = ("harness", "systems")  # what decides a run, next to its scenario and traces
ALL = (*DECIDING, "scenarios", "traces")
PRESENTING = ("figures", "report", "claims", "compare", "stats", "stored", "nightly", "steps", "index", "autopsy")
ENDINGS = (".py", ".pxd", ".toml", ".json")
PACKAGES = ("numpy", "scipy", "pyarrow", "pulp")


@cache
def code_digest(left_out: tuple[str, ...] = (), tops: tuple[str, ...] = ALL) -> str:
    """Over all files under `tops` the numbers may depend on, but those below folders of harness left out, and the
    packages that count."""
    files = (path for top in tops for path in (ROOT / top).rglob("*") if path.suffix in ENDINGS)
    found = [path for path in files if path.relative_to(ROOT).parts[:2] not in {("harness", one) for one in left_out}]
    return digest_of(found, {name: importlib.metadata.version(name) for name in PACKAGES})


def digest_of(files: Iterable[Path], facts: Mapping[str, str] | None = None) -> str:
    """sha256 over the names and bytes of files, in order of path, and over facts."""
    digest = hashlib.sha256(json.dumps(dict(facts or {}), sort_keys=True).encode())
    for path in sorted(files):
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
