"""Compile the modules of `harness.kernel.KERNEL` with Cython into the cache folder. Needs a C compiler and Cython.

The sources are copied to a folder of their own and compiled there, so nothing appears beside them. A module is the
Python file itself; the `.pxd` file beside it only names the C types of its attributes and local variables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.cache import cache_dir
from harness.kernel import KERNEL, ROOT, SUFFIX, kernel_dir

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
FLAGS = ["-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-w"]  # the same arithmetic as Python's, to the last bit
MODULES = [Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=FLAGS) for name in {names!r}]
RULES = dict(language_level=3, boundscheck=False, wraparound=True, initializedcheck=False, annotation_typing=False,
             infer_types=False, binding=True)
setup(name="sponge-bench-kernel", packages=[], ext_modules=cythonize(MODULES, compiler_directives=RULES, quiet=True))
"""
UNABLE = 3


def compile_kernel(folder: Path) -> str:
    """Compile into `folder`; the last lines of what went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        shutil.copytree(ROOT / "harness", work / "harness", ignore=shutil.ignore_patterns("__pycache__"))
        (work / "setup.py").write_text(SETUP.format(names=KERNEL), encoding="utf-8")
        command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", f"--parallel={os.cpu_count() or 1}"]
        environment = {**os.environ, "PYTHONPATH": str(work), "SPONGE_BENCH_KERNEL": "python"}
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        _keep(work, folder)
    return ""


def _keep(work: Path, folder: Path) -> None:
    """Put the extension modules where they will be looked for, all at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    for built in work.rglob(f"*{SUFFIX}"):
        target = partial / built.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(built, target)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


def main() -> int:
    """Exit code 0 when the kernel is there, 3 when it cannot be compiled here."""
    folder = kernel_dir(cache_dir())
    if folder.is_dir():
        print(f"compiled kernel: {folder}")
        return 0
    if failure := compile_kernel(folder):
        print(f"the kernel cannot be compiled here; everything runs on the Python files, slower:\n{failure}")
        return UNABLE
    print(f"compiled kernel: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
