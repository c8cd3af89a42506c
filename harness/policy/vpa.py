"""The Kubernetes Vertical Pod Autoscaler's CPU arithmetic: a decaying histogram of usage, and what follows from it.

Source: the recommender and updater of kubernetes/autoscaler, as written down in baselines section 5 of the
specification; the golden values there are tests. Amounts are kept in cores, not cut to millicores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

FIRST_WIDTH_CORES = 0.01
GROWTH = 0.05
LARGEST_CORES = 1000.0
BUCKETS = math.ceil(math.log(LARGEST_CORES * GROWTH / FIRST_WIDTH_CORES + 1) / math.log1p(GROWTH)) + 1
LONGEST_DECAY = 100  # half-lives after which weights are rescaled, so that they stay finite
LOWER_SHARE, TARGET_SHARE, UPPER_SHARE = 0.5, 0.9, 0.95
MARGIN = 0.15
LEAST_CORES = 0.025


def bucket_of(cores: float) -> int:
    """The bucket a usage falls into."""
    if cores < FIRST_WIDTH_CORES:
        return 0
    bucket = math.floor(math.log(cores * GROWTH / FIRST_WIDTH_CORES + 1) / math.log1p(GROWTH))
    return min(bucket, BUCKETS - 1)


def bucket_start_cores(bucket: int) -> float:
    """Where a bucket begins."""
    return float(FIRST_WIDTH_CORES * ((1 + GROWTH) ** bucket - 1) / GROWTH)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Weights by bucket. A sample's weight is multiplied by `2 ** ((t - reference_s) / half_life_s)`, so older ones
    count less; reference_s moves on before the numbers grow too large."""

    half_life_s: float
    weights: tuple[float, ...] = (0.0,) * BUCKETS
    reference_s: float = 0.0

    def with_sample(self, cores: float, weight: float, t_s: float) -> Histogram:
        """With one more sample."""
        shifted = self._shifted(t_s)
        weights = list(shifted.weights)
        weights[bucket_of(cores)] += weight * 2 ** ((t_s - shifted.reference_s) / self.half_life_s)
        return replace(shifted, weights=tuple(weights))

    def _shifted(self, t_s: float) -> Histogram:
        if t_s <= self.reference_s + LONGEST_DECAY * self.half_life_s:
            return self
        reference_s = round(t_s / self.half_life_s) * self.half_life_s
        scale = 2 ** ((self.reference_s - reference_s) / self.half_life_s)
        return replace(self, weights=tuple(w * scale for w in self.weights), reference_s=reference_s)

    def percentile_cores(self, share: float) -> float:
        """The end of the first bucket up to which at least `share` of the weight lies; 0 when there is none."""
        total = sum(self.weights)
        if total == 0:
            return 0.0
        last = max(k for k, weight in enumerate(self.weights) if weight > 0)
        reached = 0.0
        for bucket, weight in enumerate(self.weights[:last]):
            reached += weight
            if reached >= share * total:
                return bucket_start_cores(bucket + 1)
        return bucket_start_cores(min(last + 1, BUCKETS - 1))


@dataclass(frozen=True, slots=True)
class History:
    """All samples of one service. first_s, last_s: when the first and the last were taken."""

    histogram: Histogram
    samples: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def with_sample(self, cores: float, weight: float, t_s: float) -> History:
        """With one more sample."""
        first_s = self.first_s if self.samples else t_s
        return History(self.histogram.with_sample(cores, weight, t_s), self.samples + 1, first_s, t_s)

    def confidence(self, interval_s: float, sample_s: float) -> float:
        """How much there is to go by: 1 is one interval at one sample per `sample_s`, by span and by count."""
        return min((self.last_s - self.first_s) / interval_s, self.samples * sample_s / interval_s)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Cores to request, and the range within which a request is left alone."""

    lower_cores: float
    target_cores: float
    upper_cores: float

    def at_most(self, cores: float) -> Recommendation:
        """Within what the service may have at all."""
        return Recommendation(*(min(value, cores) for value in (self.lower_cores, self.target_cores, self.upper_cores)))


def recommend(history: History, confidence: float) -> Recommendation:
    """Percentiles with a margin; the less confidence, the wider the range. Nothing below a floor of 25 millicores.

    history: of at least one sample.
    """
    lower, target, upper = (
        history.histogram.percentile_cores(share) * (1 + MARGIN) for share in (LOWER_SHARE, TARGET_SHARE, UPPER_SHARE)
    )
    lower *= (1 + 0.001 / confidence) ** -2 if confidence > 0 else 0.0
    upper *= 1 + 1 / confidence if confidence > 0 else math.inf
    return Recommendation(max(lower, LEAST_CORES), max(target, LEAST_CORES), max(upper, LEAST_CORES))


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """When a request is replaced that is within its range: age of the service in s, least relative difference."""

    settled_s: float
    least_change: float


def needs_update(request_cores: float, found: Recommendation, age_s: float, rule: UpdateRule) -> bool:
    """Whether the updater acts: outside the range at once, inside it only on an old service that is off enough."""
    if not found.lower_cores <= request_cores <= found.upper_cores:
        return True
    difference = abs(request_cores - found.target_cores) / request_cores
    return age_s >= rule.settled_s and difference >= rule.least_change - 1e-12
