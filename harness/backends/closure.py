"""Which of our modules a program needs, read from import statements without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import harness

ROOT = Path(harness.__file__).parent.parent


def modules_of(programs: Sequence[str], root: Path = ROOT, package: str = "harness") -> dict[str, Path]:
    """File by module name of everything `programs` import from `package`, directly or not, themselves included.

    Importing `a.b.c` also runs `a` and `a.b`, so those are among them.
    """
    found: dict[str, Path] = {}
    waiting = list(programs)
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if name in found or path is None:
            continue
        found[name] = path
        parent = name.rpartition(".")[0]
        waiting += [*_imports(path, package), *([parent] if parent else [])]
    return dict(sorted(found.items()))


def _file_of(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _imports(path: Path, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == package)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # when it is a module
