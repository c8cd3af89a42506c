"""How long the published run's requests really took: fitted on the series of static 8, checked on static 16.

The published latency model was fitted on P99 times, and under it one core count too many is overloaded: a server that
takes 58.6 ms (8 cores) or 53.0 ms (16 cores) per request cannot keep up with 20 requests/s, yet the published static 8
holds for a minute, and static 16 for all ten. The model of this script: bursts as the prototype makes them, one server,
first come first served, one request at a time, and one constant ratio of real to published time. A request counts as
violated above a limit on its time at the server; how fast the series ramps says the ratio, when it begins says the
limit. `.venv/bin/python scripts/fit_service_ratio.py` prints both (docs/decisions-paper.md).
"""

import csv
from pathlib import Path

import numpy as np

from harness.published import published_model

SERIES = Path(__file__).resolve().parents[1] / "results" / "reference" / "published" / "static8_violation_percent.csv"
RATE, SEEDS = 20, (1, 2, 3)
LIMITS_S = (1.0, 1.5, 2.0, 2.5, 3.0)
RATIOS = np.round(np.arange(0.850, 0.8901, 0.001), 3)


def published_series() -> np.ndarray:
    """Violations of static 8, per cent of each second's requests."""
    with SERIES.open(encoding="utf-8") as file:
        return np.array([float(row["violation_percent"]) for row in csv.DictReader(file)])


def times_at_server_s(service_s: float, seconds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(second of arrival, time from arrival to answer) of every request of a first come, first served server."""
    offsets_s = np.random.default_rng(seed).exponential(1 / RATE, (seconds, RATE))
    arrived_s = np.sort((np.arange(seconds)[:, None] + offsets_s).ravel())
    rank = np.arange(len(arrived_s))
    finished_s = np.maximum.accumulate(arrived_s - rank * service_s) + (rank + 1) * service_s
    return np.minimum(arrived_s.astype(int), seconds - 1), finished_s - arrived_s


def violated_percent(service_s: float, seconds: int, limit_s: float) -> np.ndarray:
    """Per second, the share of requests above the limit; mean over the seeds."""
    shares = []
    for seed in SEEDS:
        second, time_s = times_at_server_s(service_s, seconds, seed)
        shares.append(np.bincount(second, time_s > limit_s, seconds) / np.bincount(second, minlength=seconds))
    return 100 * np.mean(shares, axis=0)


def misfit(ratio: float, limit_s: float, series: np.ndarray) -> float:
    """Root mean square difference to the published series, percentage points."""
    ours = violated_percent(ratio * published_model("yolov5s").predict_s(1, 8), len(series), limit_s)
    return float(np.sqrt(np.mean((ours - series) ** 2)))


def best_ratio(limit_s: float, series: np.ndarray) -> float:
    """The ratio with the least misfit under this limit."""
    return float(min(RATIOS, key=lambda ratio: misfit(ratio, limit_s, series)))


def main() -> None:
    """Print the fit and the check."""
    series, model = published_series(), published_model("yolov5s")
    print(f"published static 8: mean {series.mean():.2f} %, above 5 / 50 / 99 % from second "
          f"{np.argmax(series > 5)} / {np.argmax(series > 50)} / {np.argmax(series > 99)}")  # fmt: skip
    print("limit s  best ratio  misfit points  mean %  from second (5 / 50 / 99 %)   static 16: load, longest s")
    for limit_s in LIMITS_S:
        ratio = best_ratio(limit_s, series)
        ours = violated_percent(ratio * model.predict_s(1, 8), len(series), limit_s)
        from_s = " / ".join(str(np.argmax(ours > level)) for level in (5, 50, 99))
        at_16_s = ratio * model.predict_s(1, 16)
        longest_s = max(times_at_server_s(at_16_s, len(series), seed)[1].max() for seed in SEEDS)
        print(f"{limit_s:7.1f}  {ratio:10.3f}  {misfit(ratio, limit_s, series):13.2f}  {ours.mean():6.2f}  {from_s:>28}"
              f"   {RATE * at_16_s:.3f}, {longest_s:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
