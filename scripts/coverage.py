"""How often the 95 % intervals within one run hold the truth: simulated series of known truth.

python scripts/coverage.py [--trials 1500] [--resamples 999]

Prints a row per series: how often the interval held the truth, of those given, and how often it was refused. The table
is that of docs/statistics.md. Generators: AR(1) of memory rho; violations whose rate follows the logistic of one
(skewed); two-state Markov bursts (share of time in the bad state, its mean length; 80 % of its 20 requests/s violate);
the ratio of two systems' goodput, each with bursts in which a fifth of its requests is on time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter
from scipy.special import expit

from harness.stats import blocks
from harness.stats.blocks import ratio_interval

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[Floats, Floats]]
RATE_RPS = 20.0
LONG = 2_000_000  # bins, for a truth that has no formula


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn, top and bottom per second; the true ratio; whether it is one of amounts."""

    name: str
    draw: Draw
    truth: float
    positive: bool = False


def autoregressive(generator: np.random.Generator, count: int, memory: float) -> Floats:
    """Mean 0, variance 1."""
    noise = generator.normal(size=count + 100) * np.sqrt(1 - memory**2)
    found: Floats = lfilter([1.0], [1.0, -memory], noise)[100:]
    return found


def bad_seconds(generator: np.random.Generator, count: int, share: float, dwell_s: float) -> npt.NDArray[np.bool_]:
    """A two-state Markov chain."""
    leave, enter = 1.0 / dwell_s, share / (1 - share) / dwell_s
    state, states = bool(generator.random() < share), np.empty(count, dtype=bool)
    for k, draw in enumerate(generator.random(count).tolist()):
        state = draw >= leave if state else draw < enter
        states[k] = state
    return states


def mean_of_ar(memory: float, count: int) -> Series:
    """The mean of an AR(1) series around 5."""
    name = f"rho {memory:g}, {count} s"
    return Series(name, lambda g: (5.0 + autoregressive(g, count, memory), np.ones(count)), 5.0)


def skewed_rate(memory: float, count: int) -> Series:
    """Violations whose rate is the logistic of 2 x AR(1) - 3."""

    def draw(generator: np.random.Generator) -> tuple[Floats, Floats]:
        requests = generator.poisson(RATE_RPS, count).astype(float)
        rate = expit(2.0 * autoregressive(generator, count, memory) - 3.0)
        return generator.binomial(requests.astype(int), rate).astype(float), requests

    truth = float(expit(2.0 * np.random.default_rng(0).normal(size=LONG) - 3.0).mean())
    return Series(f"skewed, rho {memory:g}, {count} s", draw, truth)


def burst_rate(share: float, dwell_s: float, count: int) -> Series:
    """The violation rate of bursts."""

    def draw(generator: np.random.Generator) -> tuple[Floats, Floats]:
        rate = np.where(bad_seconds(generator, count, share, dwell_s), 0.8, 0.002)
        requests = generator.poisson(RATE_RPS, count)
        return generator.binomial(requests, rate).astype(float), requests.astype(float)

    return Series(f"bursts {share:.0%}, {dwell_s:g} s, {count} s", draw, 0.8 * share + 0.002 * (1 - share))


def goodput_ratio(ours: tuple[float, float], theirs: tuple[float, float], count: int) -> Series:
    """On time of one system over on time of the other. Each: share of time and mean length of its bursts."""

    def on_time(generator: np.random.Generator, bursts: tuple[float, float]) -> Floats:
        rate = np.where(bad_seconds(generator, count, *bursts), 0.2, 1.0)
        return generator.binomial(int(RATE_RPS), rate).astype(float)

    truth = (1 - 0.8 * ours[0]) / (1 - 0.8 * theirs[0])
    name = f"goodput ratio, bursts {ours[0]:.0%} and {theirs[0]:.0%}, {count} s"
    return Series(name, lambda g: (on_time(g, ours), on_time(g, theirs)), truth, positive=True)


def all_series() -> Iterator[Series]:
    """The rows, in order."""
    for memory, count in ((0.0, 300), (0.5, 300), (0.5, 1200), (0.8, 200), (0.8, 300), (0.8, 1200), (0.9, 300)):
        yield mean_of_ar(memory, count)
    for memory, count in ((0.5, 300), (0.9, 300), (0.9, 600), (0.9, 1800)):
        yield skewed_rate(memory, count)
    for share, dwell_s, count in ((0.05, 5, 300), (0.05, 5, 600), (0.05, 5, 1800), (0.1, 3, 600), (0.2, 10, 600),
                                  (0.2, 10, 1800), (0.02, 3, 1800)):  # fmt: skip
        yield burst_rate(share, dwell_s, count)
    for ours, theirs, count in (((0.2, 5.0), (0.6, 10.0), 300), ((0.2, 5.0), (0.6, 10.0), 600),
                                ((0.05, 5.0), (0.1, 5.0), 600)):  # fmt: skip
        yield goodput_ratio(ours, theirs, count)


def covered(series: Series, trials: int) -> tuple[float, float]:
    """Share of the intervals given that hold the truth, and share of trials in which none was given."""
    generator, held = np.random.default_rng(7), []
    for trial in range(trials):
        blocks.SEED = trial  # with the blocks of one seed all trials would share one error of the resampling
        found = ratio_interval(*series.draw(generator), positive=series.positive)
        if not found.refused:
            held.append(found.low <= series.truth <= found.high)
    return float(np.mean(held)) if held else float("nan"), 1.0 - len(held) / trials


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1500)
    parser.add_argument("--resamples", type=int, default=999, help="of each interval; those shipped take 4,999")
    asked = parser.parse_args()
    blocks.RESAMPLES = asked.resamples
    print("| series | covers | refused |\n|---|---|---|")
    for series in all_series():
        share, refused = covered(series, asked.trials)
        print(f"| {series.name} | {share:.1%} | {refused:.0%} |", flush=True)


if __name__ == "__main__":
    main()
