"""The real files, where a mirror is at hand: published values, every file parses, statistics and stand-ins agree."""

import json

import numpy as np
import pytest

from harness.plan import ArrivalsSpec, NetworkSpec, PlanSpec, build_plan, sponge_remaining_s
from harness.traces.catalogue import by_name, files
from harness.traces.library import load_trace
from harness.traces.model import ArrivalTrace, BandwidthTrace
from harness.traces.places import inside, mirror_dir
from harness.traces.readers import read_all
from harness.traces.source import Source, sha256_of
from harness.traces.statistics import correlation, statistics_of
from harness.traces.synthetic import calibrations, synthetic_counts, synthetic_mbps
from harness.traces.transforms import resample_bandwidth

MIRROR = mirror_dir()
if MIRROR is None:
    pytest.skip("no mirror of the traces is at hand", allow_module_level=True)

HERE = [file for file in files() if inside(MIRROR, file.file).is_file()]
BANDWIDTH_SETS = [prefix for prefix, one in calibrations().items() if one["kind"] == "bandwidth"]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPONGE_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("file", HERE, ids=lambda file: file.file)
def test_the_mirrors_file_is_the_catalogues(file):
    assert sha256_of(inside(MIRROR, file.file)) == file.sha256


@pytest.mark.parametrize("file", [file for file in HERE if file.parser], ids=lambda file: file.name)
def test_the_file_parses_without_a_fault(file):
    faults: list[str] = []
    traces = read_all(file.parser, Source(inside(MIRROR, file.file), faults.append))
    assert not faults
    assert traces


@pytest.mark.parametrize("name", ["ghent-4g-log/bus_0001", "ghent-4g/bus_0001"])
@pytest.mark.parametrize("kibibytes", [100, 200, 500])
def test_the_published_remaining_slo_is_reproduced_exactly(name, kibibytes):
    lines = inside(MIRROR, "net/ghent_4g/sponge_derived/slas.csv").read_text().splitlines()[1:]
    rows = {int(row.split(",")[0]): [float(x) for x in row.split(",")[1:] if x] for row in lines}
    trace = load_trace(name)
    assert isinstance(trace, BandwidthTrace)
    found = sponge_remaining_s(trace, np.arange(600), np.full(600, kibibytes * 1024), 1.0)
    assert len(rows[kibibytes]) == 600
    np.testing.assert_array_equal(np.maximum(found, 0.0), rows[kibibytes])


def test_the_published_payloads_latency_is_reproduced():
    spec = PlanSpec(600.0, 1.0, arrivals=ArrivalsSpec("constant", 1.0),
                    network=NetworkSpec("ghent-4g-log/bus_0001", rule="sponge-exact"))  # fmt: skip
    uplink_ms = (
        build_plan(spec, {"ghent-4g-log/bus_0001": load_trace("ghent-4g-log/bus_0001")}, 0).columns["uplink_s"] * 1e3
    )
    assert [round(float(q)) for q in np.quantile(uplink_ms, (0.5, 1.0))] == [91, 703]
    assert np.mean(uplink_ms) == pytest.approx(107.8, abs=0.5)


@pytest.mark.parametrize(
    ("name", "requests"),
    [("ipa-bursty", 14_437), ("ipa-steady-low", 6_067), ("ipa-steady-high", 17_303), ("ipa-fluctuating", 19_837),
     ("infadapter", 121_697)],
)  # fmt: skip
def test_a_named_slice_has_the_requests_of_its_paper(name, requests):
    trace = load_trace(f"twitter-2021-08/{name}")
    assert isinstance(trace, ArrivalTrace)
    assert trace.requests == requests


def test_twitters_collection_gaps_can_be_cut_out():
    whole, cut = load_trace("twitter-2021-08"), load_trace("twitter-2021-08/no-gaps")
    assert isinstance(cut, ArrivalTrace)
    assert isinstance(whole, ArrivalTrace)
    assert whole.end_s == 1_899_061.0
    assert cut.requests == whole.requests
    assert whole.end_s - cut.end_s == 20 * 1739 + 2 * 1740 - 1739


def test_statistics_of_a_bus_ride_agree_with_a_computation_by_hand():
    items = json.loads(inside(MIRROR, by_name()["ghent-4g/bus_0002"].file).read_text())
    total_s = sum(item["duration_ms"] for item in items) / 1e3
    mean = sum(item["duration_ms"] * item["bandwidth_kbps"] for item in items) / 1e6 / total_s
    out_s = sum(item["duration_ms"] for item in items if item["bandwidth_kbps"] == 0) / 1e3
    ordered, seen_s, median = sorted(items, key=lambda item: item["bandwidth_kbps"]), 0.0, 0.0
    for item in ordered:
        seen_s += item["duration_ms"] / 1e3
        if seen_s >= total_s / 2.0:
            median = item["bandwidth_kbps"] / 1e3
            break
    found = statistics_of(load_trace("ghent-4g/bus_0002"))
    assert found.seconds == pytest.approx(total_s)
    assert found.mean == pytest.approx(mean)
    assert found.p50 == pytest.approx(median)
    assert found.zero_share == pytest.approx(out_s / total_s)


def series_of(prefix: str) -> list[np.ndarray]:
    """Mbit/s of each second of every trace of a set."""
    traces = []
    for file in HERE:
        if file.name.startswith(prefix) and file.parser:
            keys = read_all(file.parser, Source(inside(MIRROR, file.file)))
            traces += [load_trace("/".join(filter(None, (file.name, key)))) for key in keys]
    return [resample_bandwidth(trace, [1.0]).bits_per_s / 1e6 for trace in traces if isinstance(trace, BandwidthTrace)]


@pytest.mark.parametrize("prefix", BANDWIDTH_SETS)
def test_the_stand_in_comes_close_to_its_set(prefix):
    """Mean within 5 %, quantiles within 10 % (or 1 Mbit/s), outage share within 1 point, correlation within 0.1."""
    series = series_of(prefix)
    real = np.concatenate(series)
    made = synthetic_mbps(calibrations()[prefix], 100_000, 7)
    pairs = np.corrcoef(np.concatenate([s[:-1] for s in series]), np.concatenate([s[1:] for s in series]))[0, 1]
    assert made.mean() == pytest.approx(real.mean(), rel=0.05)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(made, share) == pytest.approx(np.quantile(real, share), rel=0.1, abs=1.0), share
    assert np.mean(made == 0.0) == pytest.approx(np.mean(real == 0.0), abs=0.01)
    assert correlation(made) == pytest.approx(pairs, abs=0.1)


def test_the_stand_in_of_twitter_comes_close_to_it():
    """Mean within 5 %, median within 5 %, 95th percentile within 20 %, correlation within 0.03; gaps left out."""
    real = np.asarray(load_trace("twitter-2021-08/no-gaps").counts)
    made = synthetic_counts(calibrations()["twitter-2021-08"], 1_899_061, 7)
    assert made.mean() == pytest.approx(real.mean(), rel=0.05)
    assert np.median(made) == pytest.approx(np.median(real), rel=0.05)
    assert np.quantile(made, 0.95) == pytest.approx(np.quantile(real, 0.95), rel=0.2)
    assert correlation(made.astype(float)) == pytest.approx(correlation(real.astype(float)), abs=0.03)
