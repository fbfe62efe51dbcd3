"""Numbers for Prometheus, all named campus_… with their unit.

Owns    the registry. Labels are configured names only, never a topic, a path or a message.
Keeps   Observing costs a bisection (0.3 µs), because it happens five times for every event.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

BOUNDS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip
STAGES: Final = ("received_to_stored", "stored_to_sent", "sent_to_receipt", "received_to_receipt")

Read = Callable[[], Iterable[tuple[str, float]]]
"""The values of a label, each with its number."""


class Histogram:
    """Counts by bucket; seconds."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count one, or as many as took the same time."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += times
        self.total_s += seconds * times

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        out: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*BOUNDS_S, float("inf")), self.counts, strict=True):
            running += count
            out.append(("+Inf" if bound == float("inf") else repr(bound), running))
        return out


class Metrics(Collector):
    """Everything that is counted as it happens, and gauges that are asked for when scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stages = {name: Histogram() for name in STAGES}
        self.commit = Histogram()
        self.records: dict[str, int] = {}
        self.quarantined: dict[str, int] = {}
        self.counters: dict[str, int] = {
            "arrivals": 0,
            "duplicates": 0,
            "readings_left_out": 0,
            "records_shed": 0,
            "commits": 0,
            "commit_retries": 0,
            "restarts_of_parts": 0,
        }
        self.deliveries: dict[tuple[str, str], int] = {}
        self.gauges: list[Callable[[], Iterable[Metric]]] = []
        self.registry.register(self)

    def gauge(self, name: str, text: str, label: str, read: Read) -> None:
        """Add a gauge with one label; read is called at each scrape and must be quick."""

        def collect() -> Iterator[Metric]:
            family = GaugeMetricFamily(name, text, labels=[label] if label else [])
            for value_of, value in read():
                family.add_metric([value_of] if label else [], value)
            yield family

        self.gauges.append(collect)

    def counter(self, name: str, text: str, label: str, read: Read) -> None:
        """Add what somebody else counts, with one label; read as for a gauge."""

        def collect() -> Iterator[Metric]:
            family = CounterMetricFamily(name, text, labels=[label])
            for value_of, value in read():
                family.add_metric([value_of], value)
            yield family

        self.gauges.append(collect)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: names are free of clashes by construction."""
        return []

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        stages = HistogramMetricFamily(
            "campus_stage_seconds", "time of an event in each stage of its way", labels=["stage"]
        )
        for name, histogram in self.stages.items():
            stages.add_metric([name], histogram.buckets(), histogram.total_s)
        yield stages
        commit = HistogramMetricFamily("campus_commit_seconds", "time of one commit with its sync")
        commit.add_metric([], self.commit.buckets(), self.commit.total_s)
        yield commit
        records = CounterMetricFamily("campus_records", "records stored", labels=["type"])
        for kind, count in list(self.records.items()):
            records.add_metric([kind], count)
        yield records
        quarantine = CounterMetricFamily(
            "campus_quarantine", "messages that did not decode", labels=["device"]
        )
        for device, count in list(self.quarantined.items()):
            quarantine.add_metric([device], count)
        yield quarantine
        deliveries = CounterMetricFamily(
            "campus_deliveries", "attempts by receiver and outcome", labels=["receiver", "outcome"]
        )
        for (receiver, outcome), count in list(self.deliveries.items()):
            deliveries.add_metric([receiver, outcome], count)
        yield deliveries
        for name, count in self.counters.items():
            counter = CounterMetricFamily(f"campus_{name}", name.replace("_", " "))
            counter.add_metric([], count)
            yield counter
        for collect in self.gauges:
            yield from collect()
