"""Walking a file that may end, or be wrong, anywhere."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.video import boxes
from tests.store.video.making import INIT, box, fragment

FACTS = {"camera": "cam-1", "started_ns": 7}


def a_file(count: int = 3) -> tuple[bytes, list[int]]:
    """A file of that many fragments, and where its head and each of its marks end."""
    content = INIT + boxes.head_box(FACTS)
    ends = [len(content)]
    for number in range(count):
        content += fragment(number) + boxes.mark_box(fragment(number), 100 + number, 25)
        ends.append(len(content))
    return content, ends


def sealed(content: bytes) -> bytes:
    return content + boxes.seal_box(FACTS, hashlib.sha256(content).digest())


def test_a_walk_finds_every_fragment_and_the_hash_of_them_all() -> None:
    content, _ends = a_file()
    found = boxes.walk(io.BytesIO(sealed(content)))
    assert found.head == {"v": 1, **FACTS}
    assert found.whole_bytes == len(content)
    assert found.digest == hashlib.sha256(content).digest()
    pieces = [content[f.offset : f.offset + f.size_bytes] for f in found.fragments]
    assert pieces == [fragment(number) for number in range(3)]
    assert [f.end_ns for f in found.fragments] == [100, 101, 102]


def test_a_walk_without_hashing_finds_the_same_places() -> None:
    content = sealed(a_file()[0])
    quick, slow = (boxes.walk(io.BytesIO(content), hashed=hashed) for hashed in (False, True))
    assert quick.fragments == slow.fragments
    assert quick.whole_bytes == slow.whole_bytes
    assert quick.digest == b""


@given(cut=st.integers(0, 3000))
def test_a_file_cut_anywhere_keeps_exactly_its_whole_fragments(cut: int) -> None:
    content, ends = a_file()
    whole = [end for end in ends if end <= cut]
    found = boxes.walk(io.BytesIO(content[:cut]))
    assert found.whole_bytes == (whole[-1] if whole else 0)
    assert len(found.fragments) == max(0, len(whole) - 1)
    assert found.digest == (hashlib.sha256(content[: whole[-1]]).digest() if whole else b"")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_a_fragment_whole_that_is_not(at: int, bit: int) -> None:
    content, ends = a_file()
    at %= len(content)
    damaged = bytearray(content)
    damaged[at] ^= 1 << bit
    found = boxes.walk(io.BytesIO(bytes(damaged)))
    sound = [end for end in ends if end <= at]
    for part in found.fragments[max(0, len(sound) - 1) :]:
        # Only the mark's own words on time and pictures are not covered by its check sum.
        assert damaged[part.offset : part.offset + part.size_bytes] in [
            fragment(number) for number in range(3)
        ]


@given(st.binary(max_size=400))
def test_any_bytes_can_be_walked_and_are_no_seal(content: bytes) -> None:
    assert boxes.walk(io.BytesIO(content)).fragments == []
    with pytest.raises(boxes.NotBoxes):
        boxes.read_seal(io.BytesIO(content))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_seal_with_a_flipped_bit_does_not_hold(at: int, bit: int) -> None:
    content = a_file()[0]
    whole = bytearray(sealed(content))
    whole[len(content) + at % (len(whole) - len(content))] ^= 1 << bit
    with pytest.raises(boxes.NotBoxes):
        boxes.read_seal(io.BytesIO(bytes(whole)))


def test_a_seal_is_found_from_the_end_of_the_file() -> None:
    content = a_file()[0]
    facts, size = boxes.read_seal(io.BytesIO(sealed(content)))
    assert size == len(content)
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\0moof",
        b"\0\0\0\x09moof",
        box(b"moof") + b"\0",
        b"\0\0\0\1mdat\0\0\0\0\0\0\0\1",
    ],
)
def test_a_fragment_that_is_not_whole_boxes_is_refused(content: bytes) -> None:
    with pytest.raises(boxes.NotBoxes):
        boxes.check_boxes(content)


def test_a_box_with_a_long_length_is_a_box() -> None:
    long = b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"abcd"
    boxes.check_boxes(box(b"moof") + long)
    content = INIT + boxes.head_box(FACTS) + long + boxes.mark_box(long, 5, 1)
    assert boxes.walk(io.BytesIO(content)).whole_bytes == len(content)
