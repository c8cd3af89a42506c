"""House rules that can be read from the source (design section 8)."""

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60
MEDIAN_FUNCTION_LINES = 10
FORBIDDEN_WORDS = {"sla", "experiment", "adapter", "optimizer", "manager", "utils", "util", "helper", "helpers"}
SHIPPED = ("harness", "systems", "scripts", "traces")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


def files(*tops: str) -> list[Path]:
    return [path for top in tops if (ROOT / top).is_dir() for path in sorted((ROOT / top).rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Public functions and classes of a module, and public methods of public classes; overload headers left out."""
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_") and not is_header(node):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


def is_header(node: Documented) -> bool:
    """An `@overload`, or the second half of a property."""
    return any(ast.unparse(d) == "overload" or ast.unparse(d).endswith(".setter") for d in node.decorator_list)


@pytest.mark.parametrize("path", files(*SHIPPED, "tests"), ids=name_of)
def test_a_file_has_fewer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_FILE_LINES


@pytest.mark.parametrize("path", files(*SHIPPED, "tests"), ids=name_of)
def test_a_function_has_at_most_60_lines(path):
    long = [f"{f.name}: {lines_of(f)} lines" for f in functions(tree_of(path)) if lines_of(f) > MOST_FUNCTION_LINES]
    assert not long


def test_the_median_function_is_under_10_lines():
    lengths = [lines_of(f) for path in files("harness", "systems") for f in functions(tree_of(path))]
    assert statistics.median(lengths) < MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize("path", files(*SHIPPED), ids=name_of)
def test_public_names_have_docstrings(path):
    tree = tree_of(path)
    bare = [name for name, node in public(tree.body) if not ast.get_docstring(node)]
    if tree.body and not ast.get_docstring(tree):
        bare.append("the module")
    assert not bare, f"{name_of(path)}: no docstring: {', '.join(bare)}"


@pytest.mark.parametrize("path", files(*SHIPPED), ids=name_of)
def test_booleans_are_passed_by_keyword(path):
    positional = [
        f"{f.name}({a.arg})"
        for f in functions(tree_of(path))
        for a in (*f.args.posonlyargs, *f.args.args)
        if a.annotation is not None and ast.unparse(a.annotation) == "bool"
    ]
    assert not positional


def test_every_exception_is_caught_in_one_place_only_and_that_is_the_cli():
    catches = [
        name_of(path)
        for path in files(*SHIPPED)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert len(catches) == 1, catches
    assert catches[0].startswith("harness/cli/")


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """`except Exception`, alone or in a tuple, a bare `except`, or a BaseException that is not raised again."""
    if handler.type is None:
        return True
    names = {ast.unparse(n) for n in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])}
    raises_again = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(handler))
    return "Exception" in names or ("BaseException" in names and not raises_again)


@pytest.mark.parametrize("path", files(*SHIPPED), ids=name_of)
def test_no_name_uses_a_word_the_vocabulary_forbids(path):
    defined = [n.name for n in ast.walk(tree_of(path)) if isinstance(n, Documented)]
    used = {name: words(name) & FORBIDDEN_WORDS for name in [path.stem, path.parent.name, *defined]}
    assert not {name: found for name, found in used.items() if found}


def words(name: str) -> set[str]:
    """`LoadManager`, `load_manager` -> load, manager."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def test_a_test_file_name_is_used_once_in_all_folders():
    names = [path.name for path in files("tests") if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)
