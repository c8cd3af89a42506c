"""The hot modules, compiled when somebody asks for it and compiled they were.

`make compile` compiles the modules of KERNEL with Cython into the cache folder, under a digest of their sources. With
SPONGE_BENCH_KERNEL=compiled in the environment, a process that starts takes them from there instead of the Python
files; when they are not there, or the sources have changed since, it takes the Python files. They are the same
modules under the same names, so nothing else knows.
"""

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from harness.cache import cache_dir

KERNEL = (
    "harness.engine.core",
    "harness.engine.queue",
    "harness.engine.window",
    "harness.policy.lookahead",
    "harness.policy.work",
    "harness.sim.ledger",
    "harness.sim.machine",
    "harness.sim.service",
    "harness.sim.twin",
)
VARIABLE = "SPONGE_BENCH_KERNEL"
ROOT = Path(__file__).resolve().parents[1]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


def source_of(name: str) -> Path:
    """The Python file of a module of the kernel."""
    return ROOT.joinpath(*name.split(".")).with_suffix(".py")


def kernel_dir(cache: Path) -> Path:
    """Where the compiled form of exactly these sources is, or would be. Raises OSError when one cannot be read."""
    digest = hashlib.sha256(SUFFIX.encode())
    for name in KERNEL:
        for file in (source_of(name), source_of(name).with_suffix(".pxd")):
            digest.update(file.read_bytes())
    return cache / "kernel" / digest.hexdigest()[:16]


class CompiledFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of the kernel in a folder of extension modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (part of the interface)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """The extension module of this name, if it is one of ours."""
        file = self.folder.joinpath(*fullname.split(".")).with_name(fullname.rpartition(".")[2] + SUFFIX)
        if fullname not in KERNEL:
            return None
        return importlib.util.spec_from_file_location(fullname, file) if file.is_file() else None


def use_compiled_kernel() -> None:
    """Take the compiled kernel from now on, if this process was asked to and it is there."""
    if os.environ.get(VARIABLE) != "compiled" or kernel_in_use() == "compiled":
        return
    folder = kernel_dir(cache_dir())
    if folder.is_dir():
        sys.meta_path.insert(0, CompiledFinder(folder))


def kernel_in_use() -> str:
    """`compiled` or `python`."""
    return "compiled" if any(isinstance(finder, CompiledFinder) for finder in sys.meta_path) else "python"
