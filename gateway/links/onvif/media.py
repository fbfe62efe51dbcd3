"""Which of a camera's streams to record, and where they are.

Owns    reading profiles (Media2 and Media), and the choice: the largest is the main stream, the
        smallest that is still wide enough the sub stream.
Needs   connection.py, device.py.
Keeps   1. Only H.264 and H.265 are chosen: nothing else can be recorded.
        2. Bounds: MAX_PROFILES profiles are looked at.
        3. A stream's address is at our host (settings.stream_of); when the camera said otherwise,
           that is told.

Source  ONVIF Media and Media2 service specifications: GetProfiles, GetStreamUri. Media knows no
        word for H.265, so Media2 is asked first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from gateway.errors import DeviceError
from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import Services
from gateway.links.onvif.errors import Fault, Unreadable, printable
from gateway.links.onvif.settings import stream_of
from gateway.links.onvif.xml import Element

MAX_PROFILES: Final = 256
SUB_WIDTH: Final = 320
"""Narrower pictures are of no use to anybody."""
CODECS: Final = {"H264": "h264", "H265": "h265", "HEVC": "h265"}


class NoStream(DeviceError):
    """The camera answers and has nothing that can be recorded: a person changes its settings."""


@dataclass(frozen=True, slots=True)
class MediaProfile:
    """One profile: a source of pictures, and how it is encoded."""

    token: str
    source: str
    codec: str
    width: int
    height: int

    @property
    def size(self) -> int:
        """Pixels of a picture."""
        return self.width * self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Where to record a camera from; sub is None where there is one stream only.

    moved  what the camera said instead of our own host, when it did
    """

    main: str
    sub: str | None = None
    main_size: str = ""
    sub_size: str = ""
    moved: str | None = None


async def streams(connection: Connection, found: Services, channel: int = 1) -> Streams:
    """Choose and resolve the streams of one source of pictures.

    channel  which source, from 1, in the order of the camera's profiles: recorders have many
    raises   NoStream, LinkDown, Refused
    """
    tried: Fault | Unreadable | None = None
    for namespace in (names.MEDIA2, names.MEDIA):
        url = found.urls.get(namespace)
        if url is None:
            continue
        try:
            return await _streams_of(connection, namespace, url, channel)
        except (Fault, Unreadable) as error:
            tried = error
    if tried is not None:
        raise tried
    where = connection.settings.where
    raise NoStream(
        f"{where}: 没有媒体服务，请在 url 写码流地址 / {where}: no media service; write the "
        "stream's address as `url`"
    )


async def _streams_of(connection: Connection, namespace: str, url: str, channel: int) -> Streams:
    where = connection.settings.where
    body = f'<GetProfiles xmlns="{namespace}"/>'
    if namespace == names.MEDIA2:
        body = (
            f'<GetProfiles xmlns="{namespace}"><Type>VideoSource</Type><Type>VideoEncoder</Type>'
            "</GetProfiles>"
        )
    answer = await connection.ask(url, f"{namespace}/GetProfiles", body)
    profiles = read_profiles(answer)
    main, sub = choose(profiles, channel, where)
    main_url, said = await _uri(connection, namespace, url, main.token)
    sub_url = None
    if sub is not None:
        try:
            sub_url = (await _uri(connection, namespace, url, sub.token))[0]
        except Fault:
            sub = None  # a camera without its sub stream is recorded all the same
    return Streams(
        main=main_url,
        sub=sub_url,
        main_size=f"{main.codec} {main.width}x{main.height}",
        sub_size="" if sub is None else f"{sub.codec} {sub.width}x{sub.height}",
        moved=said,
    )


def read_profiles(answer: Element) -> list[MediaProfile]:
    """Return the profiles of either service that have pictures; others are left out."""
    profiles: list[MediaProfile] = []
    for element in list(answer.all("Profiles"))[:MAX_PROFILES]:
        inside = element.find("Configurations") or element
        encoder = inside.find("VideoEncoder") or inside.find("VideoEncoderConfiguration")
        source = inside.find("VideoSource") or inside.find("VideoSourceConfiguration")
        token = element.attributes.get("token", "")
        if encoder is None or not token:
            continue
        codec = encoder.said("Encoding").upper().replace(".", "")
        width = _number(encoder.said("Resolution", "Width"))
        height = _number(encoder.said("Resolution", "Height"))
        where = "" if source is None else source.said("SourceToken")
        profiles.append(MediaProfile(token, where, codec, width, height))
    return profiles


def choose(
    profiles: Sequence[MediaProfile], channel: int, where: str
) -> tuple[MediaProfile, MediaProfile | None]:
    """Return the main and the sub profile of a channel; raises NoStream."""
    sources = list(dict.fromkeys(each.source for each in profiles))
    if not 1 <= channel <= len(sources):
        raise NoStream(
            f"{where}: 有 {len(sources)} 路画面，没有第 {channel} 路 / {where}: it has "
            f"{len(sources)} sources of pictures, there is no channel {channel}"
        )
    own = [each for each in profiles if each.source == sources[channel - 1]]
    usable = [each for each in own if each.codec in CODECS and each.size > 0]
    if not usable:
        codecs = ", ".join(sorted({printable(each.codec) or "?" for each in own}))
        raise NoStream(
            f"{where}: 只有 {codecs}，请把编码改为 H.264 或 H.265 / {where}: it has only {codecs}; "
            "set it to H.264 or H.265"
        )
    main = max(usable, key=lambda each: each.size)
    small = [each for each in usable if each.width >= SUB_WIDTH and each.size < main.size]
    return main, min(small, key=lambda each: each.size, default=None)


async def _uri(
    connection: Connection, namespace: str, url: str, token: str
) -> tuple[str, str | None]:
    """Return where a profile's stream is, and what the camera said if that was elsewhere."""
    said = ""
    for body in _questions(namespace, escape(token)):
        try:
            answer = await connection.ask(url, f"{namespace}/GetStreamUri", body)
        except Fault:
            if namespace == names.MEDIA:
                raise
            continue  # older Media2 devices know the stream by another word
        said = answer.said("Uri") or answer.said("MediaUri", "Uri")
        break
    try:
        address, believed = stream_of(said, connection.settings.url)
    except ValueError as error:
        raise Unreadable(
            connection.settings.where, "给出的码流地址不能用", "it gives no usable stream address"
        ) from error
    return address, None if believed else printable(said)


def _questions(namespace: str, token: str) -> Iterable[str]:
    if namespace == names.MEDIA2:
        for protocol in ("RTSP", "RtspUnicast"):
            yield (
                f'<GetStreamUri xmlns="{namespace}"><Protocol>{protocol}</Protocol>'
                f"<ProfileToken>{token}</ProfileToken></GetStreamUri>"
            )
        return
    yield (
        f'<GetStreamUri xmlns="{namespace}"><StreamSetup xmlns:t="{names.SCHEMA}">'
        "<t:Stream>RTP-Unicast</t:Stream><t:Transport><t:Protocol>RTSP</t:Protocol></t:Transport>"
        f"</StreamSetup><ProfileToken>{token}</ProfileToken></GetStreamUri>"
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
