"""Numbers for Prometheus, all named campus_… with their unit.

Owns    the registries: one for who may know of duress, one for everybody else. Labels are
        configured names only, never a topic, a path or a message.
Keeps   1. Observing costs a bisection (0.3 µs), because it happens five times for every event.
        2. What is about duress is in the numbers of `registry` only: the others are as if there had
           been none, but for commits and the journal's newest number (console/discreet.py).
"""

from bisect import bisect_left
from collections import Counter
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

from gateway.events import Kind

BOUNDS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip
STAGES: Final = ("received_to_stored", "stored_to_sent", "sent_to_receipt", "received_to_receipt")

_SILENT: Final = str(Kind.DURESS)

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
        self.discreet = CollectorRegistry()
        self.stages = {name: Histogram() for name in STAGES}
        self.commit = Histogram()
        self.records: Counter[str] = Counter()
        self.silent_records: Counter[str] = Counter()
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
        self.deliveries: Counter[tuple[str, str]] = Counter()
        self.silent_deliveries: Counter[tuple[str, str]] = Counter()
        self.gauges: list[Callable[[bool], Iterable[Metric]]] = []
        self.registry.register(self)
        self.discreet.register(_Discreet(self))

    def gauge(
        self, name: str, text: str, label: str, read: Read, *, discreet: Read | None = None
    ) -> None:
        """Add a gauge with one label; read is called at each scrape and must be quick.

        discreet  the same without what is about duress, where that is another number
        """

        def collect(is_discreet: bool) -> Iterator[Metric]:  # noqa: FBT001 one of two registries
            family = GaugeMetricFamily(name, text, labels=[label] if label else [])
            for value_of, value in (discreet if is_discreet and discreet else read)():
                family.add_metric([value_of] if label else [], value)
            yield family

        self.gauges.append(collect)

    def recorded(self, kind: str, record_type: str) -> None:
        """Count a record."""
        (self.silent_records if kind == _SILENT else self.records)[record_type] += 1

    def answered(self, kind: str, receiver: str, outcome: str) -> None:
        """Count what came of sending a record."""
        counts = self.silent_deliveries if kind == _SILENT else self.deliveries
        counts[receiver, outcome] += 1

    def counter(self, name: str, text: str, label: str, read: Read) -> None:
        """Add what somebody else counts, with one label; read as for a gauge."""

        def collect(_is_discreet: bool) -> Iterator[Metric]:  # noqa: FBT001 as above
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
        return self.read(is_discreet=False)

    def read(self, *, is_discreet: bool) -> Iterator[Metric]:
        """Return every number, with or without what is about duress."""
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
        shown = self.records if is_discreet else self.records + self.silent_records
        for kind, count in list(shown.items()):
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
        sent = self.deliveries if is_discreet else self.deliveries + self.silent_deliveries
        for (receiver, outcome), count in list(sent.items()):
            deliveries.add_metric([receiver, outcome], count)
        yield deliveries
        for name, count in self.counters.items():
            counter = CounterMetricFamily(f"campus_{name}", name.replace("_", " "))
            counter.add_metric([], count)
            yield counter
        for collect in self.gauges:
            yield from collect(is_discreet)


class _Discreet(Collector):
    """The numbers for who may not know of duress."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance, as there."""
        return []

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client.registry.Collector."""
        return self._metrics.read(is_discreet=True)
