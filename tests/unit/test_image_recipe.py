"""What goes into the container image, and under which name it is kept."""

import io
import tarfile
from dataclasses import replace

import pytest

from harness.backends.closure import modules_of
from harness.backends.image import PROGRAMS, Recipe, last_line, write_context
from harness.backends.wheelhouse import PACKAGES, Target, download_command, folder_for, requirements

TARGET = Target((3, 11), "x86_64", (2, 36))


@pytest.fixture
def recipe(tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"weights")
    return Recipe("model", "base:1", {"model.onnx": model})


def test_the_same_recipe_has_the_same_tag(recipe):
    assert recipe.tag() == replace(recipe).tag()


def test_another_byte_gives_another_tag(recipe):
    before = recipe.tag()
    recipe.files["model.onnx"].write_bytes(b"Weights")
    assert recipe.tag() != before


def test_another_base_gives_another_tag(recipe):
    assert replace(recipe, base="base:2").tag() != recipe.tag()


def test_another_path_gives_another_tag(recipe):
    moved = {"other.onnx": recipe.files["model.onnx"]}
    assert replace(recipe, files=moved).tag() != recipe.tag()


def test_the_tag_names_the_layer(recipe):
    assert recipe.tag().startswith("sponge-bench-model:")


@pytest.mark.parametrize("layer", ["packages", "model", "service"])
def test_every_layer_is_labelled_so_that_it_can_be_found(layer):
    text = Recipe(layer, "base", {}).dockerfile
    assert text.count("LABEL sponge-bench=") == text.count("FROM ")


def context(recipe: Recipe) -> bytes:
    file = io.BytesIO()
    write_context(file, recipe)
    return file.getvalue()


def test_the_context_holds_the_recipe_and_nothing_else(recipe):
    with tarfile.open(fileobj=io.BytesIO(context(recipe))) as tar:
        assert tar.getnames() == ["Dockerfile", "model.onnx"]


def test_the_context_is_the_same_bytes_every_time(recipe):
    first = context(recipe)
    recipe.files["model.onnx"].chmod(0o600)
    assert context(recipe) == first


def test_files_in_the_image_can_be_read_by_its_user(recipe):
    recipe.files["model.onnx"].chmod(0o600)
    with tarfile.open(fileobj=io.BytesIO(context(recipe))) as tar:
        assert tar.getmember("model.onnx").mode == 0o644


def test_the_image_carries_the_engine():
    assert "harness.engine.engine" in modules_of(PROGRAMS)


def test_the_image_carries_packages_on_the_way_to_a_module():
    assert {"harness", "harness.serve"} <= modules_of(PROGRAMS).keys()


@pytest.mark.parametrize("part", ["cli", "backends", "load", "run", "traces", "plan"])
def test_the_image_carries_nothing_its_programs_do_not_import(part):
    assert not [name for name in modules_of(PROGRAMS) if name.split(".")[1:2] == [part]]


def test_the_closure_follows_imports_of_imports(tmp_path):
    package = tmp_path / "p"
    package.mkdir()
    for name, text in {"__init__": "", "a": "from p import b", "b": "import p.c", "c": "import os", "d": ""}.items():
        (package / f"{name}.py").write_text(text)
    assert list(modules_of(["p.a"], tmp_path, "p")) == ["p", "p.a", "p.b", "p.c"]


def test_the_wheels_wanted_are_bounded_by_the_projects_own_metadata():
    names = {text.split(">")[0] for text in requirements()}
    assert (names, all(">=" in text for text in requirements())) == (set(PACKAGES), True)


def test_wheels_are_fetched_for_the_images_python_and_not_for_the_hosts(tmp_path):
    command = download_command(Target((3, 13), "aarch64", (2, 36)), ["numpy"], tmp_path)
    assert command[command.index("--python-version") + 1] == "3.13"


def test_wheels_are_never_built():
    assert "--only-binary=:all:" in download_command(TARGET, ["numpy"], folder_for(TARGET, ["numpy"]))


def test_platforms_run_from_the_images_own_library_downwards():
    platforms = TARGET.platforms()
    assert (platforms[0], "manylinux_2_37_x86_64" in platforms) == ("manylinux_2_36_x86_64", False)


def test_another_target_has_another_folder():
    assert folder_for(TARGET, ["numpy"]) != folder_for(replace(TARGET, python=(3, 12)), ["numpy"])


def test_the_last_line_that_says_something_is_found():
    assert last_line("first\n  second  \n\n") == "second"
