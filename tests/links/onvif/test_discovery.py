"""Who is there: honest answers, lies and floods, by unicast and by multicast on this machine."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.onvif.discovery import MAX_FROM_ONE, discover, read_matches
from simulators.onvif import DiscoveryResponder

ADDRESSES = ["http://[fe80::1]/onvif/device_service", "http://10.0.0.9/onvif/device_service"]
OURS = "http://127.0.0.1:8000/onvif/device_service"
GROUP = "239.255.77.9"


async def test_a_camera_is_asked_by_both_types_and_found_once_at_the_address_that_answered() -> (
    None
):
    async with DiscoveryResponder([*ADDRESSES, OURS], key="urn:uuid:7") as camera:
        found = await discover(SystemClock(), seconds=1.0, target=("127.0.0.1", camera.port))
        assert camera.probes == 4
    [one] = found
    assert (one.key, one.sender, one.url) == ("urn:uuid:7", "127.0.0.1", OURS)
    assert (one.name, one.hardware, one.location) == ("East Gate", "SIM-1", "east")


async def test_the_group_is_asked_from_the_interface_that_is_named() -> None:
    try:
        responder = DiscoveryResponder([OURS], group=GROUP)
        await responder.__aenter__()
    except OSError:
        pytest.skip("this machine has no multicast on its loopback")
    try:
        found = await discover(
            SystemClock(), seconds=1.5, interface="127.0.0.1", target=(GROUP, responder.port)
        )
    finally:
        await responder.__aexit__(None, None, None)
    assert [each.url for each in found] == [OURS]


async def test_a_flood_of_answers_is_bounded_and_text_of_strangers_is_made_harmless() -> None:
    evil = (
        "<Envelope><Body><ProbeMatches><ProbeMatch><EndpointReference><Address>urn:%d</Address>"
        "</EndpointReference><Scopes>onvif://www.onvif.org/name/%%1B%%5B31m%%E2%%80%%AE"
        + "x"
        * 500
        + "</Scopes><XAddrs>file:///etc/passwd http://10.0.0.1/x</XAddrs></ProbeMatch></ProbeMatches>"
        "</Body></Envelope>"
    )
    flood = [(evil % number).encode() for number in range(60)] + [b"\xff" * 900, b"<a>"]
    async with DiscoveryResponder([], answers=flood) as camera:
        found = await discover(SystemClock(), seconds=1.0, target=("127.0.0.1", camera.port))
    assert 0 < len(found) <= MAX_FROM_ONE
    assert {each.url for each in found} == {None}
    assert all(each.name.isprintable() and len(each.name) <= 120 for each in found)


async def test_nobody_there_is_an_empty_list_and_an_address_that_is_not_ours_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert await discover(SystemClock(), seconds=1.0, target=("127.0.0.1", port)) == []
    with pytest.raises(LinkDown, match="--interface"):
        await discover(SystemClock(), interface="192.0.2.77", target=("127.0.0.1", port))


@given(st.binary(max_size=400))
def test_any_datagram_is_an_answer_or_nothing(data: bytes) -> None:
    wrapped = (
        b"<E><Body><ProbeMatches><ProbeMatch>" + data + b"</ProbeMatch></ProbeMatches></Body></E>"
    )
    for each in (data, wrapped):
        for found in read_matches(each, "192.0.2.1"):
            assert found.sender == "192.0.2.1"
