"""What a camera offers: its SDP (RFC 4566), as far as a recorder needs it, and as cameras write it.

Owns    reading SDP; from media sections to tracks; control addresses.
Needs   gateway.media.
Keeps   1. Any text is read; what cannot be recorded is in `skipped`, with the reason.
        2. At most MAX_SECTIONS sections and MAX_LINES lines are looked at.
        3. At most one video and one audio track are taken, the first that can be.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from gateway.media import Track, Unreadable, tracks
from gateway.media.g711 import STATIC_PAYLOADS

MAX_LINES: Final = 2000
MAX_SECTIONS: Final = 32
MAX_CONTROL_CHARS: Final = 1024
MAX_CLOCK_RATE: Final = 1_000_000
_VIDEO: Final[dict[str, Literal["h264", "h265"]]] = {"H264": "h264", "H265": "h265", "HEVC": "h265"}
_AUDIO: Final = frozenset({"MPEG4-GENERIC", "PCMA", "PCMU"})
_AU_HEADER_BITS: Final = {"sizelength": 13, "indexlength": 3, "indexdeltalength": 3}
"""Of AAC-hbr (RFC 3640, 3.3.6): a size of 13 bits and an index of 3 before each access unit."""
_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^/\s]+)(?:/(\d{1,9}))?(?:/(\d{1,2}))?")


@dataclass(slots=True)
class Section:
    """One m= line and what follows it, unjudged."""

    kind: str
    payload: int
    attributes: dict[str, str] = field(default_factory=dict)
    names: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def codec(self) -> tuple[str, int, int]:
        """Name in capitals, clock rate, channels (1 when not said)."""
        if self.payload in self.names:
            return self.names[self.payload]
        return STATIC_PAYLOADS.get(self.payload, "?").upper(), 8000, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A track that a camera offers and we can record.

    payload     RTP payload type
    control     what SETUP is sent to, absolute
    """

    track: Track
    payload: int
    control: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What can be recorded, what cannot and why, and what PLAY is sent to."""

    offers: tuple[Offer, ...]
    skipped: tuple[str, ...]
    aggregate: str


def parse_sdp(body: bytes, base: str, *, audio: bool = True) -> Description:
    """Read a DESCRIBE's answer.

    base  Content-Base, Content-Location or the address asked for, whichever is there first
    """
    session, sections = _sections(body.decode("utf-8", "replace"))
    offers: list[Offer] = []
    skipped: list[str] = []
    for number, section in enumerate(sections, 1):
        taken = {offer.track.kind for offer in offers}
        try:
            offers.append(_offer(section, base, taken, audio=audio))
        except _Skip as why:
            skipped.append(f"m={section.kind}#{number}: {why}")
    return Description(
        offers=tuple(offers),
        skipped=tuple(skipped),
        aggregate=resolve(base, session.get("control", "")) or base,
    )


def resolve(base: str, control: str) -> str | None:
    """The address of a control attribute; None for one that cannot be asked for over RTSP.

    Cameras append rather than resolve (RFC 2326, appendix C.1.1 leaves the base's last slash open),
    and so do the clients they were tested with. User and password in an address are left out.
    """
    control = control.strip()
    if control in {"", "*"}:
        return base
    if len(control) > MAX_CONTROL_CHARS or not control.isascii() or not control.isprintable():
        return None
    control = control.replace(" ", "%20")
    absolute = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#@]*@)?", control)
    if absolute is None:
        return base + control if base.endswith("/") else f"{base}/{control}"
    if absolute[1].lower() != "rtsp":
        return None
    return "rtsp://" + control[absolute.end() :]


class _Skip(Exception):
    """Why a section is not recorded."""


def _sections(text: str) -> tuple[dict[str, str], list[Section]]:
    session: dict[str, str] = {}
    sections: list[Section] = []
    for line in re.split(r"[\r\n]+", text)[:MAX_LINES]:
        key, _, value = line.strip().partition("=")
        if key == "m":
            words = value.split()
            if len(sections) == MAX_SECTIONS or len(words) < 4:
                break
            payload = int(words[3]) if words[3].isdecimal() and len(words[3]) <= 3 else -1
            sections.append(Section(words[0].lower(), payload))
        elif key == "a":
            name, _, said = value.partition(":")
            if sections:
                _attribute(sections[-1], name.strip().lower(), said.strip())
            else:
                session.setdefault(name.strip().lower(), said.strip())
    return session, sections


def _attribute(section: Section, name: str, said: str) -> None:
    if name == "rtpmap" and (match := _RTPMAP.match(said)):
        section.names.setdefault(
            int(match[1]), (match[2].upper(), int(match[3] or 0), int(match[4] or 1))
        )
    elif name == "fmtp":
        payload, _, rest = said.partition(" ")
        if payload.isdecimal() and len(payload) <= 3:
            pairs = (part.partition("=") for part in rest.split(";"))
            parameters = {key.strip().lower(): value.strip() for key, _, value in pairs if key}
            section.formats.setdefault(int(payload), parameters)
    else:
        section.attributes.setdefault(name, said)


def _offer(section: Section, base: str, taken: Iterable[str], *, audio: bool) -> Offer:
    name, clock_rate, channels = section.codec
    if section.kind not in {"video", "audio"}:
        raise _Skip("neither picture nor sound")
    if "sendonly" in section.attributes and section.kind == "audio":
        raise _Skip("a loudspeaker, not a microphone")
    if section.kind in taken or (section.kind == "audio" and not audio):
        raise _Skip("one of its kind is enough")
    control = resolve(base, section.attributes.get("control", ""))
    if control is None:
        raise _Skip("its control address is not rtsp")
    parameters = section.formats.get(section.payload, {})
    if not 0 < clock_rate <= MAX_CLOCK_RATE:
        clock_rate = 90_000 if section.kind == "video" else 8000
    if section.kind == "video":
        track = _video(name, clock_rate, parameters)
        return Offer(track=track, payload=section.payload, control=control)
    if name not in _AUDIO:
        raise _Skip(f"codec {name[:20]} is not recorded")
    if name == "MPEG4-GENERIC":
        track = _aac(clock_rate, parameters)
        return Offer(track=track, payload=section.payload, control=control)
    law = cast("Literal['pcma', 'pcmu']", name.lower())
    if clock_rate != 8000 or not 1 <= channels <= 2:
        raise _Skip(f"G.711 with {clock_rate} Hz and {channels} channels")
    track = tracks.g711_track(law, channels)
    return Offer(track=track, payload=section.payload, control=control)


def _video(name: str, clock_rate: int, parameters: Mapping[str, str]) -> Track:
    codec = _VIDEO.get(name)
    if codec is None:
        raise _Skip(f"codec {name[:20]} is not recorded")
    if parameters.get("packetization-mode", "0") == "2":
        raise _Skip("H.264 in interleaved packetization (mode 2)")
    if parameters.get("sprop-max-don-diff", "0") not in {"", "0"}:
        raise _Skip("H.265 with decoding order numbers")
    wanted = (
        ("sprop-parameter-sets",) if codec == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    )
    sets = [nal for key in wanted for nal in _base64_list(parameters.get(key, ""))]
    try:
        return tracks.video(codec, clock_rate, sets)
    except Unreadable:  # as good as none: the pictures bring their own
        return tracks.video(codec, clock_rate)


def _aac(clock_rate: int, parameters: Mapping[str, str]) -> Track:
    if parameters.get("mode", "AAC-hbr").lower() != "aac-hbr":
        raise _Skip(f"AAC in mode {parameters['mode'][:20]}")
    if any(parameters.get(key, str(bits)) != str(bits) for key, bits in _AU_HEADER_BITS.items()):
        raise _Skip("AAC with access unit headers of another form than 13, 3, 3 bits")
    try:
        return tracks.aac(bytes.fromhex(parameters.get("config", "")), clock_rate)
    except (ValueError, Unreadable) as error:
        raise _Skip(f"AAC whose config does not decode: {error}") from error


def _base64_list(text: str) -> list[bytes]:
    found = []
    for part in text.split(","):
        try:
            found.append(base64.b64decode(part + "=" * (-len(part) % 4), validate=True))
        except (binascii.Error, ValueError):
            continue
    return [nal for nal in found if nal]
