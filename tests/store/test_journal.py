"""Records: frozen bytes, one chain, and a bound on each."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import Journal, Start, Subject, rfc3339, seq_of
from gateway.store.journal import (
    GENESIS,
    MAX_BODY_BYTES,
    check,
    claimed_seq,
    hash_of,
    uuid7,
)
from gateway.words import Said
from tests.store.making import START_NS, draft, journal_of, seal_some

SCALARS = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
)


@given(
    attributes=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=70), SCALARS, max_size=16
    ),
    value=st.none() | SCALARS,
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
)
def test_any_content_makes_a_sound_record_that_says_what_it_was_given(
    attributes: dict[str, Any], value: Any, text: str, name: str
) -> None:
    subject = Subject.of(device_id='d",\\"seq":9,', name=name, place="x", family="f", point="p")
    journal = journal_of(Start(seq=41, head="a" * 64))
    sealed = journal.seal(
        draft(subject=subject, attributes=attributes, value=value, text=text), START_NS
    )
    record = json.loads(sealed.body)
    assert len(sealed.body) <= MAX_BODY_BYTES
    assert (record["seq"], record["id"]) == (42, sealed.id)
    assert record["data"]["attributes"] == attributes
    assert record["data"]["value"] == value
    assert record["data"]["device"]["name"] == name
    assert check(sealed.body, "a" * 64) is None
    assert claimed_seq(sealed.body) == 42
    assert record["data"]["hash"] == journal.hash == hash_of(sealed.body)


def test_a_record_has_the_members_of_the_contract_in_their_form() -> None:
    record = json.loads(seal_some(journal_of(Start()), 1)[0].body)
    names = ("specversion", "source", "type", "subject", "mode")
    assert {name: record[name] for name in names} == {
        "specversion": "1.0",
        "source": "/campus/320612-0001/gw-1",
        "type": "campus.alarm.raised.v1",
        "subject": "btn-gate-west/button",
        "mode": "live",
    }
    assert record["data"]["prev_hash"] == GENESIS
    assert list(record["data"])[-1] == "hash"
    assert record["data"]["observed_at"] is None
    assert record["time"] == "2027-01-15T08:00:00.000Z"


def test_words_stand_beside_the_text_and_a_record_of_which_none_are_known_has_none() -> None:
    said = Said('按"下\\', "pressed\n")
    told, silent = (
        json.loads(journal_of(Start()).seal(draft(words=words), START_NS).body)["data"]
        for words in (said, None)
    )
    assert Said.read(told["words"]) == said
    assert "words" not in silent
    assert told["text"] == silent["text"]


def test_a_chain_continues_over_a_restart() -> None:
    first = journal_of(Start())
    seal_some(first, 3)
    second = journal_of(Start(seq=first.seq, head=first.hash))
    sealed = seal_some(second, 1)[0]
    assert check(sealed.body, first.hash) is None
    assert check(sealed.body, GENESIS) is not None


@pytest.mark.parametrize(
    "given_",
    [
        {"attributes": {f"name-{n}": "长" * 2000 for n in range(16)}},
        {"attributes": {"n" * 9000: "x", "m" * 9000: 1}},
        {"value": "长" * 30_000},
        {"text": "长" * 30_000},
        {"words": Said("长" * 30_000, "x" * 30_000)},
        {"extra": {"note": "长" * 30_000, "count": 3}},
        {"value": "x" * 30_000, "text": "y" * 30_000, "extra": {"note": "z" * 30_000}},
    ],
    ids=["many attributes", "long names", "value", "text", "words", "note", "all"],
)
def test_a_record_is_cut_to_its_bound_and_stays_sound(given_: dict[str, Any]) -> None:
    sealed = journal_of(Start()).seal(draft(7, **given_), START_NS)
    assert len(sealed.body) <= MAX_BODY_BYTES
    assert check(sealed.body, GENESIS) is None
    record = json.loads(sealed.body)
    assert record["data"]["kind"] == "panic"
    if "extra" in given_ and "count" in given_["extra"]:
        assert record["data"]["count"] == 3


def test_what_cannot_be_sealed_takes_no_number() -> None:
    journal = journal_of(Start())
    with pytest.raises(TypeError):
        journal.seal(draft(attributes={"lone": "\ud800"}), START_NS)
    assert (journal.seq, journal.hash) == (0, GENESIS)
    assert seal_some(journal, 1)[0].seq == 1


@given(now_ns=st.integers(0, 2**63), seq=st.integers(0, 2**38 - 1))
def test_the_number_can_be_had_back_from_an_id(now_ns: int, seq: int) -> None:
    text = uuid7(now_ns, seq)
    assert seq_of(text) == seq
    assert (text[14], text[19] in "89ab") == ("7", True)


@given(st.binary(max_size=400))
def test_any_bytes_are_judged_without_an_exception(body: bytes) -> None:
    assert check(body, GENESIS) is not None
    assert len(hash_of(body)) == 64
    int(hash_of(body), 16)
    claimed_seq(body)


@given(st.text(max_size=60))
def test_any_text_has_a_number_or_none(text: str) -> None:
    assert seq_of(text) is None or isinstance(seq_of(text), int)


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_are_what_the_standard_library_reads_back(at_ns: int) -> None:
    at = datetime.fromisoformat(rfc3339(at_ns))
    assert at.tzinfo == UTC
    assert round(at.timestamp() * 1000) == at_ns // 1_000_000


@pytest.mark.parametrize("at_ns", [-(2**63), 2**63 - 1, 10**30])
def test_a_time_no_calendar_knows_is_still_a_time(at_ns: int) -> None:
    assert datetime.fromisoformat(rfc3339(at_ns)).year >= 1677


def test_a_heartbeat_has_the_form_and_stays_outside_the_chain() -> None:
    journal: Journal = journal_of(Start())
    seal_some(journal, 2)
    before = (journal.seq, journal.hash)
    body, record_id = journal.heartbeat(draft().subject, START_NS, "trusted", {"depth": 4})
    record = json.loads(body)
    assert (record["id"], record["seq"]) == (record_id, 2)
    assert record["data"]["attributes"] == {"depth": 4}
    assert (journal.seq, journal.hash) == before
    assert check(body, before[1]) is None
