"""One PLAY: pictures, sound and reports of one camera to one client, in time or in trouble.

Owns    sequence numbers, timestamps and the last step before the socket.
Needs   a Source (the camera): what is shown, what time it is there, how it behaves.
Keeps   1. Every picture that is due is sent, also after a hold-up of ours, in order, at most
           PER_TICK at once; what is left out on purpose is in run.lost.
        2. Picture n has the timestamp start + n x 90000 / fps (and what was jumped): n goes on for
           ever, so timestamps do too.
        3. Bounds: a client that lets BUFFER_BYTES wait is cut off (run.ended "too slow"), as
           cameras do.
"""

import asyncio
import math
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from simulators.cameras.clip import Clip, Shape
from simulators.cameras.conduct import Conduct, Run
from simulators.cameras.packets import FRAME_BYTES, apart, goodbye, sender_report
from simulators.cameras.sound import Track

BUFFER_BYTES: Final = 8 * 1024 * 1024
DRIP_BYTES: Final = 256 * 1024
PER_TICK: Final = 10
REPORT_S: Final = 5.0
VIDEO_HZ: Final = 90_000
_HEADER_BYTES: Final = 12


class Source(Protocol):
    """What a PLAY asks its camera."""

    conduct: Conduct
    jumped_s: float

    dice: random.Random

    def media_s(self) -> float:
        """Seconds by the camera's clock."""

    def wall_s(self, media_s: float) -> float:
        """Return what it says then, UTC seconds."""

    def shown(self, stream: str, number: int) -> tuple[Clip, int | None]:
        """Return a picture's clip, and what its strip says instead of its number."""

    def tell(self) -> None:
        """Say that something happened."""


class Flow:
    """Numbers of one RTP stream: its channel, its source, how much went out."""

    def __init__(self, channel: int, dice: random.Random) -> None:
        self.channel = channel
        self.source = dice.getrandbits(32)
        self.sequence = dice.getrandbits(16)
        self.start = dice.getrandbits(32)
        self.packets = self.octets = 0
        self.report_due_s = 0.0


class Playing:
    """Send until stopped; whoever owns the ticker calls tick() often."""

    def __init__(
        self,
        source: Source,
        stream: str,
        shape: Shape,
        track: Track | None,
        transport: asyncio.WriteTransport,
        flows: tuple[Flow | None, Flow | None],
    ) -> None:
        self.run = Run(stream=stream)
        self.on_end: Callable[[], None] | None = None
        self._source, self._shape, self._track = source, shape, track
        self._transport, self._dice = transport, source.dice
        self._video, self._audio = flows
        due = int(source.media_s() * shape.fps) + 1
        self.next = due if due % shape.group else due + 1
        if not source.conduct.start_mid_group:
            self.next = -(-due // shape.group) * shape.group
        self._clip, self._instead = source.shown(stream, self.next)
        self._next_sound = 0
        if track is not None:
            self._next_sound = self._sound_number(self.next / shape.fps)
        self._sent = 0
        self.quiet_until_s = 0.0  # nothing is due before this, by the camera's clock
        self._stalled = False
        self._dripping = bytearray()
        self._drip_left, self._drip_at_s = 0.0, 0.0

    def rtp_info(self, base: str) -> str:
        """Return the header that says where sequence numbers and timestamps begin."""
        parts = []
        for at, flow in enumerate((self._video, self._audio)):
            if flow is not None:
                # Both name the same moment (RFC 2326 12.33), though no sound frame begins there.
                begin = self.next / self._shape.fps
                time = self._picture_time(self.next) if at == 0 else self._heard_at(flow, begin)
                parts.append(f"url={base}/trackID={at};seq={flow.sequence};rtptime={time}")
        return ",".join(parts)

    def tick(self, now_s: float, media_s: float) -> None:
        """Send what is due; `now_s` is monotonic, `media_s` the camera's."""
        conduct = self._source.conduct
        due = int(media_s * self._shape.fps)
        if conduct.stall:
            self._stalled, self.quiet_until_s = True, 0.0
            return
        if self._stalled:
            self._resume(due)
        for _ in range(PER_TICK):
            if self.next > due or self.run.ended:
                break
            self._picture(self.next, conduct)
            self.next += 1
        if self._audio is not None and not self.run.ended:
            self._sound(media_s, conduct)
        if not conduct.mute_reports and self._sent and not self.run.ended:
            self._report(now_s, media_s)
        self.quiet_until_s = self.next / self._shape.fps
        if self._audio is not None and self._track is not None:
            next_sound_s = self._next_sound * self._track.samples / self._track.rate_hz
            self.quiet_until_s = min(self.quiet_until_s, next_sound_s)
        if self._dripping or conduct.bytes_per_s:
            self._drip(now_s, conduct)
            self.quiet_until_s = 0.0

    def end(self, why: str, *, polite: bool = False) -> None:
        """Send nothing more; polite says goodbye by RTCP. The connection is the caller's."""
        if self.run.ended is None:
            self.run.ended = why
            if polite and self._video is not None:
                self._transport.write(goodbye(self._video.channel + 1, self._video.source))
            if self.on_end is not None:
                self.on_end()

    def _resume(self, due: int) -> None:
        """Go on with the next group after a stall; what was not sent is lost."""
        self._stalled = False
        group = self._shape.group
        go_on = -(-(due + 1) // group) * group
        if self.run.first is not None:
            self.run.lost.update(range(self.next, go_on))
        self.next = max(self.next, go_on)
        if self._track is not None:
            self._next_sound = self._sound_number(self.next / self._shape.fps)

    def _picture_time(self, number: int) -> int:
        flow = self._video
        start = flow.start if flow is not None else 0
        jumped = int(self._source.jumped_s * VIDEO_HZ)
        return (start + number * VIDEO_HZ // self._shape.fps + jumped) & 0xFFFFFFFF

    def _sound_number(self, media_s: float) -> int:
        if self._track is None:
            return 0
        return math.ceil(media_s * self._track.rate_hz / self._track.samples)

    def _heard_at(self, flow: Flow, media_s: float) -> int:
        rate_hz = self._track.rate_hz if self._track is not None else 0
        samples = round((media_s + self._source.jumped_s) * rate_hz)
        return (flow.start + samples) & 0xFFFFFFFF

    def _picture(self, number: int, conduct: Conduct) -> None:
        if number % self._shape.group == 0:
            self._clip, self._instead = self._source.shown(self.run.stream, number)
        run = self.run
        if conduct.bytes_per_s and len(self._dripping) > DRIP_BYTES:
            run.lost.add(number)
        elif self._video is not None:
            timestamp = self._picture_time(0 if conduct.frozen_timestamps else number)
            if conduct.absurd_rate and self._dice.random() < conduct.absurd_rate:
                timestamp = self._dice.getrandbits(32)
            burst = self._clip.burst(number, self._instead, gather=conduct.gather)
            flow = self._video
            data = burst.filled(flow.channel, flow.sequence, timestamp, flow.source)
            flow.sequence = (flow.sequence + len(burst.starts)) & 0xFFFF
            flow.packets += len(burst.starts)
            flow.octets += len(data) - len(burst.starts) * (FRAME_BYTES + _HEADER_BYTES)
            if conduct.spoils_packets:
                data = self._spoiled(data, number, conduct)
            if conduct.garbage_rate and self._dice.random() < conduct.garbage_rate:
                data[:0] = self._dice.randbytes(conduct.garbage_bytes)
            self._write(data, conduct)
        if run.first is None:
            run.first = number
        run.last = number
        self._sent += 1
        self._source.tell()
        if conduct.die_after is not None and self._sent >= conduct.die_after:
            self.end("died")
            reset(self._transport)

    def _sound(self, media_s: float, conduct: Conduct) -> None:
        track, flow = self._track, self._audio
        if track is None or flow is None:
            return
        due = self._sound_number(media_s)
        for _ in range(PER_TICK):
            if self._next_sound >= due:
                break
            burst = track.bursts[self._next_sound % len(track.bursts)]
            timestamp = self._heard_at(flow, self._next_sound * track.samples / track.rate_hz)
            data = burst.filled(flow.channel, flow.sequence, timestamp, flow.source)
            flow.sequence = (flow.sequence + 1) & 0xFFFF
            flow.packets += 1
            flow.octets += len(data) - FRAME_BYTES - _HEADER_BYTES
            self._next_sound += 1
            self._write(data, conduct)

    def _report(self, now_s: float, media_s: float) -> None:
        for flow, rate_hz in (
            (self._video, VIDEO_HZ),
            (self._audio, self._track.rate_hz if self._track else 0),
        ):
            if flow is None or now_s < flow.report_due_s:
                continue
            flow.report_due_s = now_s + REPORT_S
            ticks = int(media_s * rate_hz)
            self._transport.write(
                sender_report(
                    flow.channel + 1,
                    flow.source,
                    wall_s=self._source.wall_s(ticks / rate_hz),
                    timestamp=flow.start + ticks + int(self._source.jumped_s * rate_hz),
                    packets=flow.packets,
                    octets=flow.octets,
                )
            )

    def _spoiled(self, data: bytearray, number: int, conduct: Conduct) -> bytearray:
        """Lose, swap, double and cut packets of one picture, by chance."""
        chance = self._dice.random
        packets = apart(data)
        kept = [one for one in packets if chance() >= conduct.lost_rate]
        if len(kept) < len(packets):
            self.run.lost.add(number)
        for at in range(len(kept) - 1):
            if chance() < conduct.swapped_rate:
                kept[at], kept[at + 1] = kept[at + 1], kept[at]
        out = bytearray()
        for packet in kept:
            if chance() < conduct.truncate_rate:
                out += packet[: len(packet) // 2]
                self.run.lost.add(number)
                continue
            out += packet
            if chance() < conduct.doubled_rate:
                out += packet
        return out

    def _write(self, data: bytearray, conduct: Conduct) -> None:
        if conduct.bytes_per_s or self._dripping:
            self._dripping += data
            return
        if self._transport.get_write_buffer_size() > BUFFER_BYTES:
            self.end("too slow")
            self._transport.abort()
            return
        self._transport.write(data)

    def _drip(self, now_s: float, conduct: Conduct) -> None:
        rate = conduct.bytes_per_s or float(BUFFER_BYTES)
        since_s = min(1.0, now_s - self._drip_at_s) if self._drip_at_s else 0.0
        self._drip_at_s = now_s
        self._drip_left += since_s * rate
        size = min(int(self._drip_left), len(self._dripping))
        self._drip_left -= size
        if size:
            self._transport.write(bytes(self._dripping[:size]))
            del self._dripping[:size]


def reset(transport: asyncio.WriteTransport) -> None:
    """Close at once and send RST instead of FIN (socket(7), SO_LINGER with time 0)."""
    plain = transport.get_extra_info("socket")
    if plain is not None:
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
