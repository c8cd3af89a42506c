"""Errors name the place, the value and the rule, and carry their exit code."""

import pytest

from harness.errors import BenchError, CheckError, RunInvalid, UsageError, bad_value, unknown_name


@pytest.mark.parametrize(("kind", "code"), [(BenchError, 1), (UsageError, 2), (CheckError, 3), (RunInvalid, 4)])
def test_every_kind_has_its_exit_code(kind, code):
    assert kind("x").exit_code == code


def test_a_bad_value_names_place_name_value_and_rule():
    assert str(bad_value("x.toml", "slo_s", -1.0, "must be > 0")) == "x.toml: slo_s = -1.0; must be > 0"


def test_an_unknown_name_suggests_the_nearest():
    assert "did you mean 'sponge'?" in str(unknown_name("systems", "system", "spong", ["sponge", "fa2"]))


def test_an_unknown_name_like_no_other_lists_all_in_order():
    assert str(unknown_name("here", "system", "qqq", ["b", "a"])) == "here: unknown system 'qqq'; known: a, b"
