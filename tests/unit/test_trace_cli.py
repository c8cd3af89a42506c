"""`sponge-bench traces` as a user meets it."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.errors import BenchError, CheckError, UsageError
from harness.traces import library, places
from harness.traces.catalogue import by_name, datasets
from harness.traces.download import Unreachable

cli = importlib.import_module("harness.cli.traces")  # the package's attribute of this name is the mounted app
BUS = '[{"duration_ms": 1000, "bandwidth_kbps": 8000}, {"duration_ms": 3000, "bandwidth_kbps": 0}]'


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No mirror, an empty cache, and no network."""
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPONGE_BENCH_MIRROR", raising=False)
    monkeypatch.setattr(places, "NEIGHBOUR", tmp_path / "nowhere")
    monkeypatch.setattr(library, "download", refuse)


def refuse(file, *_: object) -> Path:
    raise Unreachable(f"{file.url}: cannot be fetched (no network here)")


@pytest.fixture
def office(tmp_path) -> Path:
    path = tmp_path / "office.csv"
    path.write_text("time_s,mbps\n0,10\n1,0\n2,20\n")
    return path


def said(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=True)


def text(*words: object) -> str:
    result = said(*words)
    assert result.exception is None, result.exception
    return result.output


def error(*words: object) -> BenchError:
    exception = said(*words).exception
    assert isinstance(exception, BenchError)
    return exception


def test_every_trace_of_the_catalogue_is_listed_with_its_licence():
    listed = text("list")
    for name in ("ghent-4g/bus_0001", "nyu-mets/bus57", "twitter-2021-08/ipa-bursty", "mn-wild/s20upm-run123"):
        assert f"\n{name} " in listed
    assert "BSD-2-Clause" in listed


def test_statistics_are_listed_for_what_is_here(office):
    text("import", office, "--as", "office/wifi")
    line = json.loads(text("list", "office", "--json"))
    assert (line["here"], line["kind"], line["direction"]) == (True, "network", "down")
    assert line["statistics"]["mean"] == 10.0
    assert line["statistics"]["zero_share"] == pytest.approx(1 / 3)


def test_what_is_not_here_has_no_statistics():
    line = json.loads(text("list", "ghent-4g/bus_0001", "--json").splitlines()[0])
    assert line["statistics"] is None
    assert not line["here"]


def test_listing_an_unknown_name_suggests_one():
    assert "did you mean 'nyu-mets/bus57'?" in str(error("list", "nyu-mets/bus58"))


def test_show_tells_origin_licence_citation_numbers_and_a_plot(office):
    text("import", office, "--as", "office/wifi", "--licence", "mine")
    shown = text("show", "office/wifi")
    for part in ("file             office.csv", "mean             10.000 Mbit/s", "time at zero     33.33%", "+----"):
        assert part in shown


def test_show_of_something_unreachable_says_that_it_stands_in():
    shown = text("show", "ghent-4g/bus_0001")
    assert "synthetic-ghent-4g/bus_0001 stands in for ghent-4g/bus_0001" in shown
    assert "not a measurement" in shown


def test_show_draws_a_trace_and_what_it_leaves_of_an_slo(office, tmp_path):
    text("import", office, "--as", "office/wifi")
    for words in ((), ("--payload-bytes", 100_000, "--slo-ms", 500)):
        png = tmp_path / f"{len(words)}.png"
        text("show", "office/wifi", "--png", png, *words)
        assert png.read_bytes().startswith(b"\x89PNG")


def test_a_figure_of_an_unknown_kind_is_refused(office, tmp_path):
    text("import", office, "--as", "office/wifi")
    assert "must end with one of .png, .pdf, .svg" in str(error("show", "office/wifi", "--png", tmp_path / "a.bmp"))


def test_check_passes_a_good_file(office):
    assert "no fault; csv, 1 trace" in text("check", office)


def test_check_reports_every_fault_with_its_line_and_exit_code_3(office):
    office.write_text("time_s,mbps\n0,10\n0,5\n2,-1\n3,4\n")
    result = said("check", office)
    assert isinstance(result.exception, CheckError)
    assert f"{office}:3: time 0 <= previous 0; must be increasing" in result.output
    assert f"{office}:4: bandwidth = '-1'; must be a finite number >= 0" in result.output
    assert result.exception.exit_code == 3


def test_check_of_an_unknown_format_suggests_one(office):
    assert "did you mean 'csv'?" in str(error("check", office, "--format", "csw"))


def test_check_of_a_missing_file_is_a_usage_error(tmp_path):
    assert isinstance(error("check", tmp_path / "gone"), UsageError)


def test_a_bad_direction_is_refused(office):
    assert "direction = 'left'; must be up or down" in str(error("import", office, "--as", "x", "--direction", "left"))


def test_fetch_needs_a_name_or_all():
    assert "needs either a name or --all" in str(error("fetch"))


def test_fetch_of_terms_that_are_not_open_asks_for_the_users_word():
    result = said("fetch", "memu22")
    assert "licence none stated" in result.output
    assert "cite: M. Ghoshal et al." in result.output
    assert "are not open; read them, then add --accept-license" in str(result.exception)


def test_fetch_says_licence_and_citation_and_what_failed():
    result = said("fetch", "ghent-4g/bus_0001")
    assert "licence BSD-2-Clause" in result.output
    assert "1 of 1 files could not be fetched" in str(result.exception)
    assert "no network here" in str(result.exception)


def test_fetch_of_everything_skips_what_is_not_open_and_says_so(monkeypatch):
    some = [by_name()["ghent-4g/bus_0001"], by_name()["nyu-mets/bus57"], by_name()["lumos5g/5g/driving/23"]]
    monkeypatch.setattr(cli, "files", lambda: some)
    result = said("fetch", "--all")
    assert "skipped lumos5g: its terms are not open" in result.output
    assert "2 of 2 files could not be fetched" in str(result.exception)


def test_fetch_keeps_what_came(monkeypatch, tmp_path):
    came = tmp_path / "came"
    monkeypatch.setattr(library, "download", lambda *_: came)
    assert "(sha256 verified)" in text("fetch", "ghent-4g/bus_0001")


def test_fetch_accepts_terms_when_told(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "download", lambda *_: tmp_path / "came")
    assert text("fetch", "lumos5g/5g/driving/23", "--accept-license").count("sha256 verified") == 1


def test_terms_are_printed_once_for_each_set(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "download", lambda *_: tmp_path / "came")
    assert text("fetch", "ghent-4g").count(datasets()["ghent-4g"].citation) == 1


def test_a_file_in_the_mirror_is_not_fetched(monkeypatch, tmp_path):
    real = by_name()["ghent-4g/bus_0001"]
    (tmp_path / "m" / real.file).parent.mkdir(parents=True)
    (tmp_path / "m" / real.file).write_text(BUS)
    monkeypatch.setattr(cli, "files", lambda: [replace(real, bytes=len(BUS), sha256="0")])
    monkeypatch.setattr(places, "sha256_of", lambda _path: "0")
    assert "1 of 1 files are here already" in text("fetch", "ghent-4g/bus_0001", "--mirror", tmp_path / "m")


@pytest.mark.parametrize("command", ["list", "show", "fetch", "check", "import"])
def test_every_command_has_help_with_two_examples(command):
    assert text(command, "--help").count("sponge-bench traces") >= 2
