"""Topics stay one level a value, and no bytes on the receipts topic do harm."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink import RECEIPT_STATES, Receipt
from gateway.uplinks.mqtt.words import (
    MAX_RECEIPTS_BYTES,
    OF_GATEWAY,
    OF_RECORD,
    as_level,
    check_template,
    event_of,
    fill_template,
    read_receipts,
    status_record,
)


@given(st.text(max_size=300))
def test_any_value_is_one_level_without_wildcards(value: str) -> None:
    level = as_level(value)
    assert 0 < len(level) <= 128
    assert not set(level) & set("+#/$\x00")
    assert level.isprintable()
    assert len(fill_template("a/{kind}/b", {"kind": value}).split("/")) == 3


@pytest.mark.parametrize(
    ("record_type", "event"),
    [
        ("campus.alarm.raised.v1", "alarm.raised"),
        ("campus.gateway.heartbeat.v1", "gateway.heartbeat"),
        ("campus.fault.restored.v12", "fault.restored"),
        ("campus.alarm.vanished", "alarm.vanished"),
        ("other", "other"),
        ("", ""),
    ],
)
def test_the_event_is_the_type_without_house_and_version(record_type: str, event: str) -> None:
    assert event_of(record_type) == event


@pytest.mark.parametrize(
    "template", ["", "a/#", "a/+/b", "$SYS/x", "/a", "a/{who}", "a/{kind", "{0}", "{}", "a\x00b"]
)
def test_a_topic_that_cannot_be_published_to_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_template(template, OF_RECORD)


@pytest.mark.parametrize(
    "template", ["{kind.__class__}", "{kind!r}", "{kind:>9999999}", "{kind[0]}"]
)
def test_a_template_reaches_nothing_but_its_values(template: str) -> None:
    with pytest.raises(ValueError, match="only"):
        check_template(template, OF_RECORD)


def test_only_a_records_topic_knows_the_record() -> None:
    assert check_template("a/{site}/{kind}", OF_RECORD)
    with pytest.raises(ValueError, match="not known"):
        check_template("a/{site}/{kind}", OF_GATEWAY)


def test_the_status_is_a_cloudevent() -> None:
    record = json.loads(
        status_record(
            online=False,
            record_id="i",
            source="/campus/s/g",
            uplink="bureau",
            session="x",
            since_ns=1_784_000_000_120_000_000,
            why="lost",
        )
    )
    assert record["specversion"] == "1.0"
    assert record["type"] == "campus.gateway.offline.v1"
    assert record["data"]["connected_at"] == "2026-07-14T03:33:20.120Z"


@pytest.mark.parametrize("state", RECEIPT_STATES)
def test_a_receipt_is_read(state: str) -> None:
    payload = json.dumps({"id": "a-1", "state": state, "receipt": 7}).encode()
    assert read_receipts(payload, len(payload)) == [("a-1", Receipt(state=state, reference="7"))]


def test_a_list_of_receipts_is_read() -> None:
    payload = b'[{"id": "a-1", "state": "closed"}, {"id": "a-2", "state": "rejected"}]'
    assert [one[0] for one in read_receipts(payload, len(payload))] == ["a-1", "a-2"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"closed",
        b"\xff",
        b"17",
        b'{"id": "a-1"}',
        b'{"id": 1, "state": "closed"}',
        b'{"id": "", "state": "closed"}',
        b'{"id": "a-1", "state": "exploded"}',
        b'{"id": "a-1", "state": ["closed"]}',
        b'[{"id": "a-1", "state": "closed"}, 3]',
        b"[" * 60_000,
    ],
)
def test_what_is_no_receipt_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_receipts(payload, len(payload))


def test_a_message_that_was_cut_is_no_receipt() -> None:
    with pytest.raises(ValueError, match="at most"):
        read_receipts(b'{"id": "a-1", "state": "closed"}', MAX_RECEIPTS_BYTES + 1)


@given(st.binary(max_size=300))
def test_any_bytes_are_receipts_or_a_value_error(payload: bytes) -> None:
    with suppress(ValueError):
        for record_id, receipt in read_receipts(payload, len(payload)):
            assert record_id
            assert receipt.state in RECEIPT_STATES
