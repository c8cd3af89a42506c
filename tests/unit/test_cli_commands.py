"""The command line as a whole: what is listed can be called, and mistakes end in one line and exit code 2."""

import sys

import pytest
from typer.testing import CliRunner

import harness.cli as cli
from harness.cli.commands import ENTRIES

LONGEST_SUMMARY = 64


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_of_the_table_explains_itself(entry):
    answer = CliRunner().invoke(cli.app, [entry.name, "--help"])
    assert answer.exit_code == 0
    assert f"sponge-bench {entry.name}" in answer.output or f"{entry.name} [OPTIONS]" in answer.output


def test_the_help_lists_every_command_with_its_summary_uncut():
    answer = CliRunner().invoke(cli.app, ["--help"], terminal_width=100)
    assert [e.name for e in ENTRIES if f"{e.name} " not in answer.output or e.summary not in answer.output] == []


def test_summaries_fit_on_a_line():
    assert [e.summary for e in ENTRIES if len(e.summary) > LONGEST_SUMMARY or not e.summary.endswith(".")] == []


def test_a_mistyped_command_gets_a_suggestion():
    answer = CliRunner().invoke(cli.app, ["rnu"])
    assert answer.exit_code == 2
    assert "Did you mean 'run'?" in answer.output


def exit_of(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["sponge-bench", *arguments])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "quickstart", "--seed", "-1"),
        ("solve", "--remaining-ms", "900", "--max-batch", "99999"),
        ("run", "quickstart", "--backend", "doker"),
        ("run", "quickstrat"),
    ],
    ids=" ".join,
)
def test_a_mistake_of_the_user_exits_with_2(monkeypatch, capsys, arguments):
    assert exit_of(monkeypatch, *arguments) == 2
    assert "internal error" not in capsys.readouterr().err


def test_an_unknown_backend_is_told_all_backends(monkeypatch, capsys):
    exit_of(monkeypatch, "run", "quickstart", "--backend", "zzz")
    assert "auto, docker, process, simulated" in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_named_with_the_reason(monkeypatch, capsys, tmp_path):
    def fail() -> None:
        raise NotADirectoryError(20, "Not a directory", str(tmp_path / "x"))

    monkeypatch.setattr(cli, "app", fail)
    assert exit_of(monkeypatch) == 2
    assert capsys.readouterr().err == f"sponge-bench: {tmp_path / 'x'}: Not a directory\n"


def test_the_version_is_printed(monkeypatch, capsys):
    assert exit_of(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("sponge-bench ")
