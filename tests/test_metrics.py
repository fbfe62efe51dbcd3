"""Numbers for Prometheus: names with units, buckets that add up."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import BOUNDS_S, Histogram, Metrics


@given(st.lists(st.floats(0, 1000, allow_nan=False)))
def test_every_observation_is_in_each_bucket_at_or_above_it(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    for (_, count), bound in zip(histogram.buckets(), (*BOUNDS_S, float("inf")), strict=True):
        assert count == sum(value <= bound for value in values)


def test_everything_is_named_campus_and_can_be_parsed() -> None:
    metrics = Metrics()
    metrics.records["alarm.raised"] = 2
    metrics.deliveries["police", "received"] = 3
    metrics.quarantined["btn-1"] = 1
    metrics.gauge("campus_x_bytes", "a gauge", "receiver", lambda: [("police", 7.0)])
    metrics.counter("campus_y", "a counter", "link", lambda: [("field", 4.0)])
    metrics.stages["received_to_stored"].observe(0.002)
    text = generate_latest(metrics.registry).decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert all(name.startswith("campus_") for name in families)
    samples = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in families.values()
        for one in family.samples
    }
    assert samples["campus_records_total", "alarm.raised"] == 2
    assert samples["campus_deliveries_total", "police", "received"] == 3
    assert samples["campus_quarantine_total", "btn-1"] == 1
    assert samples["campus_x_bytes", "police"] == 7
    assert samples["campus_y_total", "field"] == 4
    assert samples["campus_stage_seconds_count", "received_to_stored"] == 1
