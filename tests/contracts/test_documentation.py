"""What the documentation promises to be complete is complete."""

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.commands import ENTRIES
from harness.scenario import Scenario

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
INTERNAL = {"SPONGE_BENCH_OWNER", "SPONGE_BENCH_PARENT", "SPONGE_BENCH_RUN"}  # set by us for our own processes
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def keys_of(kind: type) -> Iterator[str]:
    """Every key a scenario file may hold, inner tables included."""
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from keys_of(hint)
        elif not (kind is Scenario and name in ("name", "overrides")):
            yield name


@pytest.mark.parametrize("key", sorted(set(keys_of(Scenario))))
def test_every_key_of_a_scenario_is_explained(key):
    assert re.search(rf"`([a-z_]+\.)?{key}`", PAGE), f"docs/scenarios.md does not explain {key}"


def variables() -> set[str]:
    sources = [path for folder in ("harness", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {
        name for path in sources for name in re.findall(r'"(SPONGE_BENCH_[A-Z_]+)"', path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("variable", sorted(variables() - INTERNAL))
def test_every_environment_variable_is_explained(variable):
    assert f"`{variable}`" in PAGE


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_is_in_the_readme(entry):
    assert f"`sponge-bench {entry.name}" in README


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_every_link_to_a_file_leads_to_one(page):
    dead = [
        link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link.strip()).exists()
    ]
    assert not dead
