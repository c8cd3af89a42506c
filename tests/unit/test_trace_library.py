"""From a name to a trace: where it is looked for, what is verified, and what stands in."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import BenchError, UsageError
from harness.plan import build_plan, describe_traces
from harness.scenario import load_scenario, scenario_names
from harness.traces import library, places
from harness.traces.catalogue import TraceFile, by_name, datasets, files, find, slices
from harness.traces.download import Unreachable
from harness.traces.library import import_trace, imported_names, load_trace
from harness.traces.model import BandwidthTrace, Provenance
from harness.traces.places import inside, mirror_dir
from harness.traces.readers import READERS
from harness.traces.transforms import parse
from systems import SYSTEMS

BUS = '[{"duration_ms": 1000, "bandwidth_kbps": 8000, "latency_ms": 20}]'


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No mirror, an empty cache, and no network."""
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPONGE_BENCH_MIRROR", raising=False)
    monkeypatch.setattr(places, "NEIGHBOUR", tmp_path / "nowhere")
    monkeypatch.setattr(library, "download", refuse)


def refuse(file: TraceFile, *_: object) -> Path:
    raise Unreachable(f"{file.url}: cannot be fetched (no network here)")


def mirror_of(folder: Path, monkeypatch, text: str = BUS, name: str = "ghent-4g/bus_0001") -> Path:
    """A mirror with one file, and a catalogue that expects exactly its bytes."""
    real = by_name()[name]
    path = folder / real.file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    expected = replace(real, bytes=len(text), sha256=hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setattr(library, "find", lambda asked: (expected, "") if asked == name else find(asked))
    return folder


def test_a_named_mirror_is_used(tmp_path, monkeypatch):
    trace = load_trace("ghent-4g/bus_0001", mirror_of(tmp_path / "m", monkeypatch))
    assert isinstance(trace, BandwidthTrace)
    assert trace.name == "ghent-4g/bus_0001"
    np.testing.assert_array_equal(trace.bits_per_s, [8e6])


def test_the_environments_mirror_is_used_when_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SPONGE_BENCH_MIRROR", str(mirror_of(tmp_path / "m", monkeypatch)))
    assert not load_trace("ghent-4g/bus_0001").is_synthetic


def test_the_folder_beside_the_repository_is_used_at_last(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "NEIGHBOUR", mirror_of(tmp_path / "m", monkeypatch))
    assert not load_trace("ghent-4g/bus_0001").is_synthetic


def test_a_mirror_that_is_not_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--mirror: .* is not a folder"):
        mirror_dir(tmp_path / "gone")


def test_provenance_names_the_file_and_its_sha256(tmp_path, monkeypatch):
    origin = load_trace("ghent-4g/bus_0001", mirror_of(tmp_path / "m", monkeypatch)).provenance
    assert origin.file == "net/ghent_4g/sabre_json/report_bus_0001.json"
    assert origin.source_sha256 == hashlib.sha256(BUS.encode()).hexdigest()
    assert origin.citation


@pytest.mark.parametrize("tampered", [BUS.replace("8000", "9000"), BUS[:-10]])
def test_wrong_bytes_are_an_error_and_never_replaced(tmp_path, monkeypatch, tampered):
    mirror = mirror_of(tmp_path / "m", monkeypatch)
    load_trace("ghent-4g/bus_0001", mirror)  # now a good copy is in the store
    (mirror / by_name()["ghent-4g/bus_0001"].file).write_text(tampered)
    with pytest.raises(UsageError, match=r"report_bus_0001.json: (sha256 = |\d+ bytes; must be)"):
        load_trace("ghent-4g/bus_0001", mirror)


def test_a_second_load_does_not_parse(tmp_path, monkeypatch):
    mirror = mirror_of(tmp_path / "m", monkeypatch)
    first = load_trace("ghent-4g/bus_0001", mirror)
    monkeypatch.setattr(library, "read_all", None)
    again = load_trace("ghent-4g/bus_0001", mirror)
    assert again.provenance == first.provenance
    np.testing.assert_array_equal(again.bits_per_s, first.bits_per_s)


def test_a_damaged_store_is_parsed_anew(tmp_path, monkeypatch):
    mirror = mirror_of(tmp_path / "m", monkeypatch)
    load_trace("ghent-4g/bus_0001", mirror)
    for kept in (tmp_path / "cache").rglob("*.parquet"):
        kept.write_bytes(b"not parquet")
    assert load_trace("ghent-4g/bus_0001", mirror).end_s == 1.0


def test_a_cache_that_cannot_be_written_does_not_stop_a_load(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "file" / "below"))
    assert load_trace("ghent-4g/bus_0001", mirror_of(tmp_path / "m", monkeypatch)).end_s == 1.0


def test_offline_a_stand_in_says_that_it_is_one_and_why():
    trace = load_trace("ghent-4g/bus_0001")
    assert trace.name == "synthetic-ghent-4g/bus_0001"
    assert trace.is_synthetic
    assert trace.provenance.synthetic_because.endswith("cannot be fetched (no network here)")
    assert trace.provenance.dataset.startswith("synthetic-")
    assert trace.source_sha256 == ""


def test_a_set_whose_terms_are_not_open_is_not_downloaded_unasked(monkeypatch):
    monkeypatch.setattr(library, "download", None)
    because = load_trace("lumos5g/5g/driving/23").provenance.synthetic_because
    assert "its terms are not open" in because
    assert because.endswith("sponge-bench traces fetch lumos5g/5g/driving/23 --accept-license")


def test_a_slice_of_a_stand_in_is_a_stand_in():
    trace = load_trace("twitter-2021-08/ipa-bursty")
    assert trace.name == "synthetic-twitter-2021-08/ipa-bursty"
    assert trace.end_s == 1200.0


def test_a_stand_in_can_be_asked_for_by_name():
    assert load_trace("synthetic-ghent-4g").name == "synthetic-ghent-4g"


def test_without_bytes_or_generator_the_reason_is_given():
    with pytest.raises(BenchError, match=r"mooncake/conversation: .*no network here.*no synthetic trace can stand in"):
        load_trace("mooncake/conversation")


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match=r"unknown trace 'ghent-4g/buss_0001'; did you mean 'ghent-4g/bus_0001'\?"):
        load_trace("ghent-4g/buss_0001")


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "ghent-4g/../../x"])
def test_a_name_that_climbs_is_an_unknown_name(name):
    with pytest.raises(UsageError, match="unknown trace"):
        load_trace(name)


def test_a_path_that_leads_out_of_a_mirror_is_refused(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "link").symlink_to(tmp_path)
    for relative in ("../secret", "link/secret"):
        with pytest.raises(UsageError, match="leads outside the folder; refused"):
            inside(tmp_path / "mirror", relative)


def test_an_imported_trace_is_loaded_by_its_name(tmp_path):
    path = tmp_path / "office.csv"
    path.write_text("0,10\n1,20\n")
    import_trace(path, "csv", "office/wifi", Provenance(licence="mine"), "up")
    trace = load_trace("office/wifi")
    assert isinstance(trace, BandwidthTrace)
    assert (trace.direction, trace.provenance.file, trace.provenance.licence) == ("up", "office.csv", "mine")
    assert imported_names() == ["office/wifi"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [("../x", "must be lower-case"), ("A", "must be lower-case"), ("", "must be lower-case"),
     ("ghent-4g/mine", "is taken by the catalogue"), ("synthetic-x", "is taken by the catalogue")],
)  # fmt: skip
def test_a_name_that_cannot_be_given_is_refused(tmp_path, name, rule):
    path = tmp_path / "office.csv"
    path.write_text("0,10\n")
    with pytest.raises(UsageError, match=rule):
        import_trace(path, "csv", name, Provenance())


def test_every_catalogued_parser_exists():
    assert {file.parser for file in files() if file.parser} <= set(READERS)


def test_every_catalogued_file_is_addressed_pinned_and_hashed():
    for file in files():
        assert len(file.sha256) == 64
        assert file.bytes > 0
        assert file.commit in file.url
        assert not Path(file.file).is_absolute()
        assert ".." not in Path(file.file).parts


def test_every_dataset_has_a_licence_and_a_citation():
    assert all(one.licence and one.citation and one.terms for one in datasets().values())


def test_names_are_lower_case_and_their_own():
    named = [file.name for file in files() if file.name]
    assert len(named) == len(set(named)) == len(by_name())
    assert all(name == name.lower() for name in named)
    assert not set(slices()) & set(named)


def test_every_named_slice_has_a_trace_and_transforms_that_parse():
    for part in slices().values():
        assert part.trace in by_name()
        for line in part.transforms:
            parse(line, part.name)


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_can_be_planned_offline_on_stand_ins(name):
    spec = load_scenario(name, SYSTEMS).plan
    traces = {trace: load_trace(trace) for trace in spec.trace_names()}
    plan = build_plan(spec, traces, 1)
    assert len(plan) > 0
    assert all(row["synthetic_because"] for row in describe_traces(spec, traces))
