"""Who we are, and what a camera's answers mean; every password stays out of every text."""

from ipaddress import ip_network

import pytest

from gateway.clock import SystemClock
from gateway.errors import DeviceError, LinkDown
from gateway.links.rtsp import NotPlayable, Refused, RtspSession, RtspSettings
from tests.links.rtsp.camera import Asked, Camera, running, sdp_of
from tests.media.clips import clip

SECRET = "p:ss@wörd"
CLOCK = SystemClock()


def camera_with(**how) -> Camera:
    return Camera(sdp=sdp_of(clip("h264")), **how)


async def play_once(camera: Camera, **settings) -> RtspSession:
    session = await RtspSession.open(RtspSettings(url=camera.url, **settings), CLOCK)
    await session.close()
    return session


@pytest.mark.parametrize("algorithm", ["", "MD5", "SHA-256"])
@pytest.mark.parametrize("qop", ["", "auth"])
async def test_digest_is_answered_once_and_then_carried_along(algorithm, qop):
    async with running(camera_with(digest=("admin", SECRET, algorithm, qop))) as camera:
        await play_once(camera, username="admin", password=SECRET)

    proofs = [asked.headers.get("authorization") for asked in camera.asked]
    assert camera.methods == ["OPTIONS", "OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert proofs[0] is None
    assert all(proof and proof.startswith("Digest ") for proof in proofs[1:])
    assert not any(SECRET in str(asked) for asked in camera.asked)


async def test_basic_is_answered_when_nothing_better_is_offered():
    async with running(camera_with(basic=("admin", SECRET))) as camera:
        await play_once(camera, username="admin", password=SECRET)
        with pytest.raises(Refused, match="not known or allowed: Basic"):
            await play_once(camera, username="admin", password=SECRET, allow_basic=False)

    assert camera.methods.count("PLAY") == 1


async def test_digest_is_preferred_to_basic_in_whatever_order_they_come():
    how = camera_with(digest=("admin", SECRET, "", ""), challenges=['Basic realm="x"'])
    async with running(how) as camera:
        await play_once(camera, username="admin", password=SECRET)

    assert "Basic" not in "".join(a.headers.get("authorization", "") for a in camera.asked)


async def test_a_wrong_password_is_tried_exactly_once_and_not_told():
    async with running(camera_with(digest=("admin", "right", "MD5", "auth"))) as camera:
        with pytest.raises(Refused, match="does not accept user or password") as caught:
            await play_once(camera, username="admin", password=SECRET)

    assert camera.methods == ["OPTIONS", "OPTIONS"], "cameras lock out who guesses"
    assert SECRET not in str(caught.value)


async def test_no_password_where_one_is_wanted_says_so():
    async with running(camera_with(digest=("admin", SECRET, "", ""))) as camera:
        with pytest.raises(Refused, match="wants a user and a password"):
            await play_once(camera)

    assert camera.methods == ["OPTIONS"]


async def test_a_nonce_that_grew_stale_is_replaced_without_giving_up():
    camera = camera_with(digest=("admin", SECRET, "", "auth"))

    def aged(asked: Asked) -> str | None:
        if camera.nonce == "nonce-1":
            camera.nonce = "nonce-2"
            return camera.demand(stale=True)
        return None

    camera.answers["SETUP"] = aged
    async with running(camera):
        await play_once(camera, username="admin", password=SECRET)

    assert camera.methods.count("SETUP") == 2
    assert 'nonce="nonce-2"' in camera.asked[-1].headers["authorization"]


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        ("404 Not Found", NotPlayable, "404 Not Found"),
        ("461 Unsupported Transport", NotPlayable, "461"),
        ("302 Found\r\nLocation: rtsp://192.0.2.1/", NotPlayable, "redirect"),
        ("403 Forbidden", Refused, "403"),
        ("453 Not Enough Bandwidth", LinkDown, "453"),
        ("503 Service Unavailable", LinkDown, "503"),
    ],
)
async def test_each_status_has_its_meaning_in_each_step(method, status, error, text):
    async with running(camera_with(answers={method: f"RTSP/1.0 {status}\r\n\r\n"})) as camera:
        with pytest.raises(DeviceError, match=text) as caught:
            await play_once(camera)

    assert type(caught.value) is error


async def test_a_camera_that_does_not_know_options_is_played_all_the_same():
    async with running(camera_with(answers={"OPTIONS": "RTSP/1.0 501 No\r\n\r\n"})) as camera:
        await play_once(camera)


async def test_a_camera_that_insists_on_udp_is_not_playable():
    udp = "RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: RTP/AVP;unicast;client_port=0-1\r\n\r\n"
    async with running(camera_with(answers={"SETUP": udp})) as camera:
        with pytest.raises(NotPlayable, match="over the RTSP connection"):
            await play_once(camera)


async def test_an_address_outside_the_allowed_networks_is_never_connected_to():
    async with running(camera_with()) as camera:
        with pytest.raises(NotPlayable, match="not in a network that is allowed"):
            await play_once(camera, allowed=(ip_network("192.0.2.0/24"),))
        assert camera.callers == []
        await play_once(camera, allowed=(ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize(
    "said",
    [
        "Content-Length: 70000\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "X: " + "y" * 20_000 + "\r\n\r\n",
    ],
    ids=["a long body", "a negative body", "a long header"],
)
async def test_an_answer_beyond_its_bounds_ends_the_session(said):
    async with running(camera_with(answers={"DESCRIBE": "RTSP/1.0 200 OK\r\n" + said})) as camera:
        with pytest.raises(LinkDown, match="what arrived is no RTSP"):
            await play_once(camera)
