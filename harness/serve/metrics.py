"""Prometheus metrics of the gateway. Counts and gauges are read from the engine when scraped, off the data path."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from harness.engine import Engine
from harness.serve.station import Answer

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What `/metrics` shows of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._queueing = self._histogram("queueing_delay_seconds", "Arrival to start of service.")
        self._service = self._histogram("service_time_seconds", "Start of service to answer of the batch.")

    def watch(self, answer: Answer) -> None:
        """Take note of an answered request."""
        if answer.batch_id >= 0:
            self._queueing.observe(answer.started_s - answer.queued_s)
            self._service.observe(answer.finished_s - answer.started_s)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Counts and gauges, read now (called by prometheus-client)."""
        counts = self._engine.counts()
        requests = CounterMetricFamily("sponge_requests", "Requests by outcome.", labels=["outcome"])
        for outcome in ("arrived", "served", "dropped", "failed", "late"):
            requests.add_metric([outcome], getattr(counts, outcome))
        yield requests
        yield GaugeMetricFamily("sponge_queue_length", "Requests that wait.", self._engine.queue_length())
        yield GaugeMetricFamily("sponge_batch_size", "Largest batch formed.", self._engine.settings.batch_size)
        cores = GaugeMetricFamily("sponge_replica_cores", "CPU cores granted to a replica.", labels=["replica"])
        for replica in self._engine.replicas():
            cores.add_metric([replica.name], replica.cores)
        yield cores

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(f"sponge_{name}", what, buckets=SECONDS_BUCKETS, registry=self._registry)
