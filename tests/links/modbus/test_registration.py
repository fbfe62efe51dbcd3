"""Who calls? A stranger's first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus.registration import MAX_SHOWN_BYTES, Entry, place, printable

ONE = Entry(b"DTU-1", prefix=False, heartbeats=(b"PING",))
TWELVE = Entry(b"DTU-12", prefix=False, heartbeats=())
ANY_DTU = Entry(b"DTU-", prefix=True, heartbeats=(b"\xfe",))


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        (b"DTU-1", ONE),
        (b"DTU-1\r\n", ONE),
        (b"\r\nDTU-1\x00", ONE),
        (b"PINGDTU-1PINGPING", ONE),
        (b"DTU-1DTU-1", ONE),
        (b"DTU-12", TWELVE),
        (b"DTU-13", ANY_DTU),
        (b"\xfeDTU-;imei=861234", ANY_DTU),
        (b"", None),
        (b"PING", None),
        (b"dtu-1", None),
        (b"xDTU-1", None),
        (b"DTU", None),
        (b"GET / HTTP/1.1\r\n\r\n", None),
    ],
)
def test_row_30_a_registration_is_placed_or_it_is_nobodys(said: bytes, entry: Entry | None) -> None:
    """Quirk row 30: exact wins over prefix, nothing is believed in part."""
    assert place(said, [ANY_DTU, ONE, TWELVE]) == entry


def test_an_exact_registration_with_something_behind_it_is_nobodys() -> None:
    assert place(b"DTU-1x", [ONE]) is None
    assert place(b"DTU-12", [ONE]) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_placed_or_not_and_shown_as_plain_text(said: bytes) -> None:
    found = place(said, [ONE, TWELVE, ANY_DTU])
    assert found is None or found.registration in said
    text = printable(said)
    assert text.isascii() or text.endswith("…")
    assert text.isprintable()
    assert len(text) <= 4 * MAX_SHOWN_BYTES + 1
