"""Reading a segment back: torn anywhere, flipped anywhere, sealed or not."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import (
    Unreadable,
    campus_box,
    read_boxes,
    read_campus_box,
    read_seal,
    rebase,
    scan,
)
from gateway.media.boxes import MAX_CAMPUS_BYTES, box
from tests.media.clips import clip, segment

SEAL = {"camera": "cam-gate-west", "名称": "西门", "sha256": "00", "pictures": [1, 2.5, None]}
INIT, FRAGMENTS = segment(clip("h264", frames=30))
ENDS = [len(INIT) + sum(map(len, FRAGMENTS[:n])) for n in range(len(FRAGMENTS) + 1)]
OPEN = INIT + b"".join(FRAGMENTS)
SEALED = OPEN + campus_box(SEAL)


def test_a_sealed_segment_is_read_whole():
    found = scan(io.BytesIO(SEALED), check=True)

    assert found.torn is None
    assert found.seal == SEAL == read_seal(io.BytesIO(SEALED))
    assert (found.init_size, found.end, found.size) == (len(INIT), len(OPEN), len(SEALED))
    assert [head.offset for head in found.fragments] == ENDS[:-1]
    assert [head.size for head in found.fragments] == list(map(len, FRAGMENTS))
    assert [head.sequence for head in found.fragments] == [1, 2, 3]
    for number, head in enumerate(found.fragments):
        run = head.runs[1]
        assert (run.base_decode_time, run.duration, run.samples) == (36000 * number, 36000, 10)
        assert run.begins_with_key


@given(st.integers(0, len(SEALED)))
def test_torn_at_any_byte_the_last_whole_fragment_is_found(length):
    found = scan(io.BytesIO(SEALED[:length]), check=True)

    whole = [end for end in ENDS if end <= length]
    assert found.end == (whole[-1] if whole else 0)
    assert len(found.fragments) == max(len(whole) - 1, 0)
    assert (found.torn is None) == (length in {*ENDS, len(SEALED)})
    assert (found.seal == SEAL) == (length == len(SEALED))


@given(st.integers(len(INIT), len(OPEN) - 1), st.integers(1, 4096))
def test_zeros_where_pictures_were_are_noticed(at, size):
    data = bytearray(OPEN)
    data[at : at + size] = bytes(len(data[at : at + size]))
    if bytes(data) == OPEN:
        return

    found = scan(io.BytesIO(bytes(data)), check=True)

    touched = next(n for n, end in enumerate(ENDS[1:]) if at < end)
    mdat = FRAGMENTS[touched].index(b"mdat") + 4 + ENDS[touched]
    if at >= mdat:
        assert len(found.fragments) == touched
        assert found.end == ENDS[touched]
        assert found.torn is not None


@given(st.binary(max_size=300))
def test_any_bytes_are_scanned(data):
    for content in (data, INIT + data, OPEN + data):
        found = scan(io.BytesIO(content), check=True)
        assert found.end <= len(content)
        read_seal(io.BytesIO(content))


@given(st.data())
def test_one_changed_byte_anywhere_raises_nothing_but_unreadable(data):
    at = data.draw(st.integers(0, len(SEALED) - 1))
    changed = bytearray(SEALED)
    changed[at] ^= data.draw(st.integers(1, 255))
    scan(io.BytesIO(bytes(changed)), check=True)
    first = bytearray(FRAGMENTS[0])
    first[at % len(first)] ^= 0x55
    try:
        rebase(bytes(first), 9, {1: 9})
    except Unreadable:
        return


@given(
    st.dictionaries(
        st.text(max_size=9),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=4),
        ),
        max_size=6,
    )
)
def test_a_seal_says_what_was_put_in(content):
    assert read_campus_box(campus_box(content)) == content
    assert read_seal(io.BytesIO(OPEN + campus_box(content))) == content


def test_what_is_no_seal_is_none():
    assert read_seal(io.BytesIO(OPEN)) is None
    assert read_seal(io.BytesIO(b"")) is None
    with pytest.raises(Unreadable, match="no JSON"):
        read_campus_box(campus_box({"a": "b"}).replace(b'"b"', b"'b'"))


def test_a_seal_that_is_too_large_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="at most"):
        campus_box({"a": "x" * MAX_CAMPUS_BYTES})


def test_something_behind_the_seal_is_told():
    found = scan(io.BytesIO(SEALED + FRAGMENTS[0]))

    assert found.torn == "something follows the seal"
    assert found.end == len(OPEN)


def test_boxes_lie_inside_what_holds_them():
    assert [b.kind for b in read_boxes(box(b"abcd") + box(b"efgh", b"xy"))] == [b"abcd", b"efgh"]
    with pytest.raises(Unreadable, match="9 bytes where 8 are left"):
        list(read_boxes(b"\0\0\0\x09abcd"))
    assert [b.end for b in read_boxes(b"\0\0\0\0abcdxyz")] == [11]
    large = b"\0\0\0\1abcd" + (18).to_bytes(8, "big") + b"xy"
    assert list(read_boxes(large)) == [(b"abcd", 0, 16, 18)]
