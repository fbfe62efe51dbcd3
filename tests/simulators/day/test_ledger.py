"""The comparison names what is missing, doubled, changed or out of order, and nothing else."""

import time
from typing import Any

import orjson
import pytest

from simulators.day import Ledger, Sent, compare
from simulators.inbox import Received
from tests.simulators.records import a_record

EVENT = "campus.event.recorded.v1"
REPEATED = "campus.alarm.repeated.v1"


def got(seq: int, mark: str, kind: str = EVENT, **changes: Any) -> Received:
    device = mark.partition("#")[0]
    attributes = {"mark": mark} | changes.pop("attributes", {})
    record = a_record(seq, device, type=kind, data_attributes=attributes, **changes)
    return Received(
        id=record["id"], body=orjson.dumps(record), nth=1, at_ns=time.time_ns(), record=record
    )


def events(count: int, device: str = "door-1") -> Ledger:
    sent = [Sent(device=device, number=n, event=True, accepted=True) for n in range(1, count + 1)]
    return Ledger(sent=sent)


def presses(count: int, device: str = "btn-1") -> Ledger:
    sent = [Sent(device=device, number=n, event=False, accepted=True) for n in range(1, count + 1)]
    return Ledger(sent=sent)


def test_a_whole_day_has_no_complaint_and_repeats_are_welcome() -> None:
    received = [got(n, f"door-1#{n}") for n in (1, 2, 3)]
    assert compare(events(3), [*received, received[1]], received) == []


def test_an_accepted_message_that_did_not_arrive_is_missing_at_whoever_lacks_it() -> None:
    received = [got(n, f"door-1#{n}") for n in (1, 2)]
    complaints = compare(events(2), received, received[:1])
    assert complaints[0] == "bureau: door-1#2 is missing"
    assert complaints[1].startswith("only the police got")


def test_a_message_nobody_accepted_may_be_missing() -> None:
    ledger = events(2)
    ledger.sent[1].accepted = False
    assert compare(ledger, [got(1, "door-1#1")], None) == []


def test_one_message_under_two_ids_is_doubled_unless_it_was_sent_twice() -> None:
    received = [got(1, "door-1#1"), got(2, "door-1#1")]
    ledger = events(1)
    assert "came under 2 ids" in compare(ledger, received, None)[0]
    ledger.sent[0].copies = 2
    assert compare(ledger, received, None) == []


def test_other_bytes_under_one_id_are_named() -> None:
    first = got(1, "door-1#1")
    changed = Received(id=first.id, body=first.body + b" ", nth=2, at_ns=0, record=first.record)
    assert compare(events(1), [first, changed], None) == [
        f"police: {first.id} came again with other bytes"
    ]
    assert compare(events(1), [first], [changed]) == [
        f"police and bureau got other bytes under {first.id}"
    ]


def test_a_wrong_order_is_named_on_the_way_and_in_the_store() -> None:
    one, two = got(1, "door-1#1"), got(2, "door-1#2")
    assert compare(events(2), [two, one], None) == [
        "police: door-1#1 arrived after door-1#2 (seq 1)"
    ]
    one, two = got(2, "door-1#1"), got(1, "door-1#2")
    assert compare(events(2), [one, two], None) == [
        "police: door-1#1 was stored after door-1#2 (seq 2)"
    ]


def test_an_urgent_record_may_overtake() -> None:
    one = got(1, "door-1#1", data_priority=4)
    two = got(2, "door-1#2", data_priority=1)
    assert compare(events(2), [two, one], None) == []


def test_a_record_of_no_message_is_named() -> None:
    assert compare(events(0), [], None) == []
    ledger = events(1)
    received = [got(1, "door-1#1"), got(2, "door-1#9")]
    assert compare(ledger, received, None) == ["police: door-1#9 was never sent"]


def test_one_sequence_number_for_two_records_is_named() -> None:
    received = [got(1, "door-1#1"), got(1, "door-1#2")]
    assert "seq 1 stands for" in compare(events(2), received, None)[0]


def test_presses_are_counted_over_the_alarms_of_a_button() -> None:
    alarm = "0197aaaa-0000-7000-8000-000000000001"
    raised = got(1, "btn-1#1", "campus.alarm.raised.v1", data_alarm_id=alarm)
    repeated = got(2, "btn-1#5", REPEATED, data_alarm_id=alarm, attributes={"count": 5})
    assert compare(presses(5), [raised, repeated], None) == []
    assert compare(presses(5), [raised], None) == [
        "police: btn-1: press 5 was accepted, the newest told is 1",
        "police: btn-1: 5 presses were accepted, 1 are counted",
    ]
    assert compare(presses(4), [raised, repeated], None) == [
        "police: btn-1: at most 4 presses were made, 5 are counted"
    ]


def test_a_press_lost_in_the_middle_shows_in_the_count() -> None:
    alarm = "0197aaaa-0000-7000-8000-000000000001"
    raised = got(1, "btn-1#1", "campus.alarm.raised.v1", data_alarm_id=alarm)
    repeated = got(2, "btn-1#5", REPEATED, data_alarm_id=alarm, attributes={"count": 4})
    assert compare(presses(5), [raised, repeated], None) == [
        "police: btn-1: 5 presses were accepted, 4 are counted"
    ]


def test_one_press_that_raised_two_alarms_is_named() -> None:
    received = [got(n, "btn-1#1", "campus.alarm.raised.v1") for n in (1, 2)]
    assert "raised two alarms" in compare(presses(1), received, None)[0]


@pytest.mark.parametrize("count", [50, 51, 300])
def test_a_catastrophe_is_told_in_bounded_lines(count: int) -> None:
    complaints = compare(events(count), [], None)
    assert len(complaints) == min(count, 51)
    if count > 50:
        assert complaints[-1] == f"… and {count - 50} more like these"
