"""A session with one camera: from the address to access units, until it ends.

Owns    the order of DESCRIBE, SETUP, PLAY; keep-alive; silence; reports; the queue of units.
Needs   everything beside it, the Clock.
Keeps   1. Whoever iterates gets every unit in the order of arrival, then LinkDown; after close()
           the iteration just ends.
        2. At most MAX_HELD_UNITS or MAX_HELD_BYTES wait, and what one read holds; then the camera
           is not read from until half of it is taken.
        3. Without a whole picture for silence_s: LinkDown. Time in which we did not read is not the
           camera's silence.
        4. No task of its own: one timer, gone when the session is over.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Self

from gateway.clock import Clock
from gateway.errors import DeviceError, LinkDown
from gateway.links.rtsp.client import RtspClient
from gateway.links.rtsp.errors import NotPlayable, link_down
from gateway.links.rtsp.gathering import Gathering
from gateway.links.rtsp.messages import Message
from gateway.links.rtsp.opening import open_connection
from gateway.links.rtsp.reports import Reports
from gateway.links.rtsp.rtp import Agreed, Receiver
from gateway.links.rtsp.sdp import Description, Offer, parse_sdp
from gateway.links.rtsp.settings import RtspSettings
from gateway.links.rtsp.sound import AacReceiver, SoundReceiver
from gateway.links.rtsp.unit import AccessUnit, Counters, SenderReport
from gateway.links.rtsp.video import H264Receiver, H265Receiver
from gateway.links.rtsp.wire import RtspWire
from gateway.media import Track
from gateway.media.aac import parse_config

MAX_HELD_UNITS: Final = 256
MAX_HELD_BYTES: Final = 16 << 20
GOODBYE_S: Final = 1.0
TICK_S: Final = 0.25
REPORT_NS: Final = 5_000_000_000
DEFAULT_TIMEOUT_S: Final = 60
KEEPALIVE_S: Final = (2, 30)
"""Half of the camera's time-out, within these."""
_SESSION: Final = re.compile(r"([\x21-\x3a\x3c-\x7e]{1,256})(?:\s*;\s*timeout\s*=\s*(\d{1,6}))?")
_CHANNELS: Final = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.IGNORECASE)


class RtspSession:
    """One camera's stream. Make it with open(), iterate, close().

    tracks            what is recorded, in the order of AccessUnit.track; a track whose camera sends
                      new parameter sets is replaced when the unit that brings them is taken
    skipped           tracks that are not, and why; one line each
    counters          see Counters
    """

    def __init__(self, settings: RtspSettings, clock: Clock) -> None:
        self.settings = settings
        self.tracks: tuple[Track, ...] = ()
        self.skipped: tuple[str, ...] = ()
        self.counters = Counters()
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wire = RtspWire(clock, self.counters, self._message, self._ended)
        self._client = RtspClient(settings, self._wire)
        self._gathering = Gathering(settings.gather_s, TICK_S)
        self._why: LinkDown | None = None
        self._closed = False
        self._receivers: list[Receiver] = []
        self._reports = Reports(clock)
        self._channels: list[int] = []
        self._session = ""
        self._aggregate = settings.url
        self._keepalive = "OPTIONS"
        self._keepalive_ns = KEEPALIVE_S[1] * 1_000_000_000
        self._next_keepalive_ns = 0
        self._next_report_ns = 0
        self._picture_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._units: deque[AccessUnit] = deque()
        self._held_bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, settings: RtspSettings, clock: Clock) -> Self:
        """Connect and play, within open_timeout_s.

        raises  LinkDown (try again), Refused (who we are), NotPlayable (what there is)
        """
        session = cls(settings, clock)
        try:
            async with asyncio.timeout(settings.open_timeout_s):
                await session._begin()
        except TimeoutError:
            await session.close()
            raise link_down(
                settings.where,
                f"{settings.open_timeout_s:g} 秒内没有开始播放",
                f"it did not begin to play within {settings.open_timeout_s:g} s",
            ) from None
        except BaseException:
            await session.close()
            raise
        return session

    async def close(self) -> None:
        """Say goodbye and close; takes at most GOODBYE_S. Safe to call twice."""
        self._closed = True
        if self._why is None and self._session:
            self._wire.channels.clear()
            self._wire.resume()
            with contextlib.suppress(TimeoutError, DeviceError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._client.ask("TEARDOWN", self._aggregate, self._named())
        self._wire.end("已由本机关闭", "closed by us")
        self._wake()

    @property
    def reports(self) -> dict[int, SenderReport]:
        """The newest sender report of each track, by its index: the camera's time of a tick."""
        return self._reports.newest

    @property
    def camera_offset_ns(self) -> int | None:
        """The camera's clock minus ours at the newest sender report; None while unknown."""
        return self._reports.offset_ns

    @property
    def behind(self) -> bool:
        """Whoever iterates is too slow, and the camera is being held back (keep 2)."""
        return self._paused

    async def __aenter__(self) -> Self:
        """The session itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    def __aiter__(self) -> AsyncIterator[AccessUnit]:
        """See the module's first keep; one reader."""
        return self

    async def __anext__(self) -> AccessUnit:
        """The next unit; raises LinkDown when the session has ended and all units are taken."""
        while not self._units:
            if self._closed:
                raise StopAsyncIteration
            if self._why is not None:
                raise self._why
            self._waiter = self._loop.create_future()
            await self._waiter
        unit = self._units.popleft()
        self._held_bytes -= len(unit.data)
        if self._paused:
            self._read_on()
        if unit.parameter_sets is not None:
            changed = self.tracks[unit.track].with_parameter_sets(unit.parameter_sets)
            self.tracks = (*self.tracks[: unit.track], changed, *self.tracks[unit.track + 1 :])
        return unit

    # Beginning.

    async def _begin(self) -> None:
        await open_connection(self.settings, lambda: self._wire)
        url = self.settings.url
        options = await self._client.ask("OPTIONS", url)
        if "GET_PARAMETER" in options.header("public").upper():
            self._keepalive = "GET_PARAMETER"
        answer = await self._client.ask("DESCRIBE", url, [("Accept", "application/sdp")])
        if answer.status != 200:
            raise self._client.trouble("DESCRIBE", answer)
        base = answer.header("content-base") or answer.header("content-location") or url
        offered = parse_sdp(answer.body, _without_user(base), audio=self.settings.audio)
        self.skipped = offered.skipped
        if not any(offer.track.kind == "video" for offer in offered.offers):
            raise self._nothing(offered)
        self._aggregate = offered.aggregate
        for offer in offered.offers:
            await self._set_up(offer)
        answer = await self._client.ask(
            "PLAY", self._aggregate, [*self._named(), ("Range", "npt=0.000-")]
        )
        if answer.status != 200:
            raise self._client.trouble("PLAY", answer)
        now_ns = self._clock.mono_ns()
        self._picture_ns = now_ns
        self._next_keepalive_ns = now_ns + self._keepalive_ns
        self._next_report_ns = now_ns + REPORT_NS
        self._timer = self._loop.call_later(TICK_S, self._tick)

    async def _set_up(self, offer: Offer) -> None:
        """One track; sound that a camera then does not give is left out."""
        first = 2 * len(self._receivers)
        transport = f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"
        answer = await self._client.ask(
            "SETUP", offer.control, [("Transport", transport), *self._named()]
        )
        if answer.status != 200:
            if offer.track.kind == "audio":
                self.skipped += (f"m=audio: SETUP was answered with {answer.status}",)
                return
            raise self._client.trouble("SETUP", answer)
        self._remember(answer.header("session"))
        said = answer.header("transport")
        pair = _CHANNELS.search(said)
        channel = int(pair[1]) if pair else first
        control = int(pair[2]) if pair and pair[2] else channel + 1
        taken = {channel, control} & set(self._wire.channels)
        if ("tcp" not in said.lower() and pair is None) or taken or max(channel, control) > 255:
            raise NotPlayable(
                self.settings.where,
                "不肯通过 TCP 传送画面",
                "it does not send over the RTSP connection (TCP)",
            )
        receiver = self._receiver(offer)
        self._receivers.append(receiver)
        self._channels.append(control)
        self.tracks += (offer.track,)
        self._wire.channels[channel] = (receiver.packet, receiver.follow)
        self._wire.channels[control] = (
            lambda buffer, start, stop: self._control(receiver, bytes(buffer[start:stop])),
            None,
        )

    def _receiver(self, offer: Offer) -> Receiver:
        track = offer.track
        agreed = Agreed(len(self._receivers), offer.payload, track.clock_rate)
        shared = (agreed, self._unit, self.counters, self._wire.moment)
        if track.codec == "h264":
            return H264Receiver(*shared, track.parameter_sets)
        if track.codec == "h265":
            return H265Receiver(*shared, track.parameter_sets)
        if track.codec == "aac":
            return AacReceiver(*shared, parse_config(track.config).frame_samples)
        return SoundReceiver(*shared)

    def _remember(self, said: str) -> None:
        match = _SESSION.match(said.strip())
        if match is None:
            return  # a camera without sessions; what it says later has none either
        self._session = match[1]
        timeout_s = int(match[2] or DEFAULT_TIMEOUT_S) or DEFAULT_TIMEOUT_S
        low, high = KEEPALIVE_S
        self._keepalive_ns = int(min(max(timeout_s / 2, low), high) * 1e9)

    def _named(self) -> list[tuple[str, str]]:
        return [("Session", self._session)] if self._session else []

    def _nothing(self, offered: Description) -> NotPlayable:
        why = "; ".join(offered.skipped)[:300] or "no m= line"
        return NotPlayable(
            self.settings.where, f"没有能录像的画面（{why}）", f"no picture we can record ({why})"
        )

    # What the wire tells us.

    def _message(self, message: Message) -> None:
        self._client.take(message)

    def _ended(self, chinese: str, english: str) -> None:
        self._why = link_down(self.settings.where, chinese, english)
        if self._timer is not None:
            self._timer.cancel()
        self._client.end(self._why)
        self._wake()

    def _unit(self, unit: AccessUnit) -> None:
        if self._closed:
            return
        self._units.append(unit)
        self._held_bytes += len(unit.data)
        if self.tracks[unit.track].kind == "video":
            self._picture_ns = unit.arrival_ns
        held = len(self._units)
        if not self._paused and (held >= MAX_HELD_UNITS or self._held_bytes >= MAX_HELD_BYTES):
            self._paused = True
            self._wire.pause()
        if held == 1:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _read_on(self) -> None:
        few = len(self._units) <= MAX_HELD_UNITS // 2
        if few and self._held_bytes <= MAX_HELD_BYTES // 2:
            self._paused = False
            self._picture_ns = self._clock.mono_ns()
            self._wire.resume()

    # While it lasts.

    def _tick(self) -> None:
        now_ns = self._clock.mono_ns()
        if not self._paused and now_ns - self._picture_ns > self.settings.silence_s * 1e9:
            silence = f"{self.settings.silence_s:g}"
            self._wire.end(f"{silence} 秒没有画面", f"no picture for {silence} s")
            return
        self._timer = self._loop.call_later(TICK_S, self._tick)
        threshold = self._gathering.look(self.counters.bytes)
        if threshold is not None:
            self._wire.gather(threshold)
        if now_ns >= self._next_keepalive_ns:
            self._next_keepalive_ns = now_ns + self._keepalive_ns
            self._client.tell(self._keepalive, self._aggregate, self._named())
        if now_ns >= self._next_report_ns:
            self._next_report_ns = now_ns + REPORT_NS
            for receiver, channel in zip(self._receivers, self._channels, strict=True):
                self._report(receiver, channel, now_ns)

    def _control(self, receiver: Receiver, data: bytes) -> None:
        """RTCP of a track."""
        if self._reports.hear(receiver, data, self._wire.moment.ns):
            self._wire.end("摄像机结束了播放", "the camera ended the stream (RTCP BYE)")

    def _report(self, receiver: Receiver, channel: int, now_ns: int) -> None:
        packet = self._reports.tell(receiver, now_ns)
        if packet is None:
            return
        head = bytes((0x24, channel)) + len(packet).to_bytes(2, "big")
        if not self._wire.send(head + packet):
            self.counters.unsent_reports += 1


def _without_user(url: str) -> str:
    """A camera's idea of its own address, without user and password it may have put there."""
    return re.sub(r"^([A-Za-z]+://)[^/?#@]*@", r"\1", url.strip())
