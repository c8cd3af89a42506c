"""The architecture of design section 2, read from the source: who may import whom, and what the pure layers touch."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A new module of harness needs a line here: deciding its layer is part of writing it.
LAYERS: dict[str, int] = {
    "types": 0, "errors": 0,
    "harness": 1, "kernel": 1, "cache": 1, "traces": 1, "latency": 1, "fit": 1, "published": 1, "tables": 1,
    "settings": 1, "oip": 1, "outcome": 1, "columns": 1,
    "plan": 2, "oracle": 2, "engine": 2, "policy": 2, "control": 2, "seams": 2,
    "sim": 3, "serve": 3, "replica": 3, "load": 3, "backends": 3,
    "record": 4, "scenario": 4, "run": 4, "profile": 4,
    "results": 5, "compare": 5, "stored": 5, "stats": 5, "fidelity": 5, "claims": 5, "figures": 5, "report": 5,
    "autopsy": 5, "progress": 5,
    "index": 5, "nightly": 5, "steps": 5,
    "cli": 6,
}  # fmt: skip
EFFECTS = {
    "time", "datetime", "random", "secrets", "uuid", "os", "io", "pathlib", "shutil", "tempfile", "socket", "select",
    "selectors", "signal", "subprocess", "threading", "multiprocessing", "concurrent", "asyncio", "aiohttp", "http",
    "urllib", "requests", "docker", "locust", "gevent", "psutil",
}  # fmt: skip
GLOBAL_RANDOMNESS_ALLOWED = {"Generator", "default_rng", "SeedSequence", "PCG64"}


@dataclass(frozen=True)
class Import:
    """One import of one name: `importer` needs `imported` (the longest dotted name that may be a module)."""

    importer: str
    imported: str
    line: int
    local: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    """`harness/engine/__init__.py` -> `harness.engine`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for top in ("harness", "systems") for path in sorted((ROOT / top).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imports_of(name: str) -> Iterator[Import]:
    """Every import of a module, with whether it stands inside a function."""
    functions = [n for n in ast.walk(TREES[name]) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    local = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno, id(node) in local)
        elif isinstance(node, ast.ImportFrom):
            base = resolved(name, node)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(name, whole if whole in FILES else base, node.lineno, id(node) in local)


def resolved(importer: str, node: ast.ImportFrom) -> str:
    """The absolute module of a `from` import, relative ones included."""
    if not node.level:
        return node.module or ""
    package = importer if FILES[importer].name == "__init__.py" else importer.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


IMPORTS = [found for name in FILES for found in imports_of(name)]
OWN = [i for i in IMPORTS if i.imported.split(".")[0] in ("harness", "systems")]


def layer_key(name: str) -> str:
    """`harness.engine.queue` -> `engine`."""
    return name.split(".")[1] if "." in name else name


def layer(name: str) -> int:
    """The layer of a module of harness."""
    return LAYERS[layer_key(name)]


def known(name: str) -> bool:
    return name.startswith("harness") and layer_key(name) in LAYERS


def shown(found: list[Import]) -> str:
    return "\n".join(map(str, found))


def test_every_module_of_harness_has_a_layer():
    unmapped = sorted({layer_key(name) for name in FILES if name.startswith("harness") and not known(name)})
    assert not unmapped, f"decide their layer and add them to LAYERS in tests/contracts/test_layers.py: {unmapped}"


def test_a_module_imports_only_from_its_own_or_a_lower_layer():
    upward = [i for i in OWN if known(i.importer) and known(i.imported) and layer(i.imported) > layer(i.importer)]
    assert not upward, shown(upward)


def test_results_stats_figures_and_report_never_import_layers_3_and_4():
    effects = [i for i in OWN if known(i.importer) and known(i.imported)]
    wrong = [i for i in effects if layer(i.importer) == 5 and layer(i.imported) in (3, 4)]
    assert not wrong, shown(wrong)


def test_no_module_imports_itself_through_others():
    graph = {name: {i.imported for i in OWN if i.importer == name and i.imported in FILES} - {name} for name in FILES}
    assert not cycle_in(graph), " -> ".join(cycle_in(graph))


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """One cycle as a closed path; empty when there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        found = next(filter(None, (visit(after, [*path, name]) for after in sorted(graph[name]))), [])
        done.add(name)
        return found

    return next(filter(None, (visit(name, []) for name in sorted(graph))), [])


def test_the_cycle_search_finds_a_cycle():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_own_modules_are_never_imported_inside_a_function():
    local = [i for i in OWN if i.local]
    assert not local, shown(local)


def test_policies_of_systems_import_layers_0_to_2_only():
    policies = [i for i in OWN if i.importer.startswith("systems.") and i.importer.endswith(".policy")]
    wrong = [i for i in policies if not (known(i.imported) and layer(i.imported) <= 2)]
    assert policies
    assert not wrong, shown(wrong)


def test_only_run_and_cli_import_systems():
    inside = [i for i in OWN if i.imported.split(".")[0] == "systems" and i.importer.startswith("harness")]
    wrong = [i for i in inside if layer_key(i.importer) not in ("run", "cli")]
    assert not wrong, shown(wrong)


def test_exactly_one_module_imports_locust():
    importers = {i.importer for i in IMPORTS if i.imported.split(".")[0] == "locust"}
    assert importers == {"harness.load.locustfile"}


def test_nobody_imports_the_module_that_imports_locust():
    wrong = [i for i in OWN if i.imported == "harness.load.locustfile"]
    assert not wrong, shown(wrong)


PURE = [n for n in FILES if (known(n) and layer(n) in (0, 2) and n != "harness") or n.startswith("systems")]
NAMES_PATHS = {"systems", "harness.policy.system"}  # say where a file is; reading it is the business of layer 4


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_imports_nothing_that_has_effects(name):
    allowed = (
        {"pathlib"} if name in ("systems.__init__", "systems", "harness.policy.system") else set()
    )  # where, not what
    wrong = [i for i in IMPORTS if i.importer == name and i.imported.split(".")[0] in EFFECTS - allowed]
    assert not wrong, shown(wrong)


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_neither_opens_nor_prints(name):
    calls = [n for n in ast.walk(TREES[name]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert not [f"{name}:{n.lineno}" for n in calls if n.func.id in ("open", "print", "input", "exec", "eval")]


@pytest.mark.parametrize("name", FILES)
def test_no_module_uses_global_randomness(name):
    wrong = [
        f"{name}:{n.lineno} uses {ast.unparse(n)}"
        for n in ast.walk(TREES[name])
        if isinstance(n, ast.Attribute)
        and ast.unparse(n.value) in ("np.random", "numpy.random", "random")
        and n.attr not in GLOBAL_RANDOMNESS_ALLOWED
    ]
    assert not wrong, "\n".join(wrong)
