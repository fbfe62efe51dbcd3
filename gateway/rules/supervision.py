"""Who has been heard of, who is silent, who talks too much (promise 5).

Owns    the state of every device: unknown, online, offline.
Needs   the alarm book, to which it reports faults.
Keeps   1. After start, and while its link or bridge is down, a device is unknown, never online.
           What a broker kept of its availability can end a fault, but is no sign of life.
        2. Silence longer than the profile's interval is one fault, which hearing of it ends.
        3. A link or bridge that is down is one fault, and none of its devices is blamed for it: the
           time it was down is no silence of theirs.
        4. Last-heard times survive a restart: a device that was silent before goes on being so.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.events import Category, Device, Kind, Nature, Point, Reading, Scalar
from gateway.rules.book import AlarmBook
from gateway.rules.ledger import Ledger
from gateway.store.journal import Subject

SEEN_EVERY_S: Final = 60
GRACE_S: Final = 60.0
"""After a start or a link's return, at least this long before a device can be called silent."""
FLOOD_WINDOW_S: Final = 10.0
FLOOD_MESSAGES: Final = 200
"""More than this in FLOOD_WINDOW_S is flooding: 10 a second sustained and a burst of 100."""

CONNECTION: Final = Point(
    name="connection",
    kind=Kind.OFFLINE,
    nature=Nature.STATE,
    category=Category.FAULT,
    priority=3,
    text="通信中断",
    text_en="offline",
)
MESSAGE: Final = Point(
    name="message",
    kind=Kind.FAULT,
    nature=Nature.STATE,
    category=Category.FAULT,
    priority=2,
    text="报文无法识别，可能是报警",
    text_en="garbled message, may have been an alarm",
)
FLOODING: Final = Point(
    name="flooding",
    kind=Kind.FAULT,
    nature=Nature.STATE,
    category=Category.FAULT,
    priority=3,
    text="报文过多，疑似按键卡住",
    text_en="flooding, perhaps a stuck button",
)
OWN_POINTS: Final = {point.name: point for point in (CONNECTION, MESSAGE, FLOODING)}


class Watch:
    """One device as supervision sees it."""

    __slots__ = (
        "count",
        "cut_ns",
        "device",
        "due_ns",
        "flooding",
        "garbled",
        "heard_ns",
        "seen_ns",
        "state",
        "utc_ns",
    )

    def __init__(self, device: Device) -> None:
        self.device = device
        self.state = "unknown"
        self.heard_ns = 0  # monotonic
        self.utc_ns: int | None = None  # of the last time, as stored
        self.seen_ns = 0  # monotonic time of the last row in the table seen
        self.count = 0  # messages since the last sweep of floods
        self.flooding = self.garbled = False
        self.cut_ns: int | None = None  # since when its bridge is down
        self.due_ns = 0  # which entry of the line of silences is its own


class Supervision:
    """See the module. Built once, fed by the intake."""

    def __init__(
        self,
        devices: Iterable[Device],
        book: AlarmBook,
        subjects: Mapping[tuple[str, str], Subject],
    ) -> None:
        self._book = book
        self._subjects = subjects
        self.watches = {device.id: Watch(device) for device in devices}
        self._due: list[tuple[int, str]] = []
        self._links_down: dict[str, int] = {}  # since when, monotonic
        self._busy: set[str] = set()
        self._flood_ns = 0

    def load(self, seen: Mapping[str, int], ledger: Ledger) -> None:
        """Begin: all unknown, each with the silence it had before."""
        for name, watch in self.watches.items():
            watch.utc_ns = seen.get(name)
            watch.heard_ns = ledger.mono_ns
            watch.garbled = self._book.open_at(name, MESSAGE.name) is not None
            watch.flooding = self._book.open_at(name, FLOODING.name) is not None
            if watch.flooding:
                self._busy.add(name)
            if self._book.open_at(name, CONNECTION.name) is not None:
                watch.state = "offline"
            silence = watch.device.silence_s
            if silence is None:
                continue
            rest = silence
            if watch.utc_ns is not None:
                rest = silence - max(ledger.now_ns - watch.utc_ns, 0) / 1e9
                watch.heard_ns -= int(min(max(silence - rest, 0.0), silence) * 1e9)
            self._look_at(watch, ledger.mono_ns + int(max(rest, GRACE_S) * 1e9))

    def take(self, device: Device, ledger: Ledger) -> None:
        """A device is new or another than it was (gateway/reload.py): it keeps what is known."""
        name = device.id
        watch = self.watches.get(name)
        if watch is None:
            watch = self.watches[name] = Watch(device)
            watch.heard_ns = ledger.mono_ns
            watch.garbled = self._book.open_at(name, MESSAGE.name) is not None
        elif watch.device.link != device.link and watch.state == "online":
            watch.state = "unknown"
        watch.device = device
        watch.due_ns = 0
        if device.silence_s is not None:
            rest_ns = watch.heard_ns + int(device.silence_s * 1e9) - ledger.mono_ns
            self._look_at(watch, ledger.mono_ns + max(rest_ns, int(GRACE_S * 1e9)))

    def drop(self, name: str, ledger: Ledger) -> None:
        """A device is configured no more: nobody waits to hear of it, so nothing is amiss."""
        if self.watches.pop(name, None) is None:
            return
        self._busy.discard(name)
        for point in OWN_POINTS:
            self._book.restored(ledger, name, point, None)

    def forget_link(self, name: str) -> None:
        """A link is configured no more, or begins anew as another."""
        self._links_down.pop(name, None)

    def _look_at(self, watch: Watch, at_ns: int) -> None:
        watch.due_ns = at_ns
        heapq.heappush(self._due, (at_ns, watch.device.id))

    def heard(self, name: str, ledger: Ledger) -> None:
        """A message of the device arrived. The hot path: a look-up and a few comparisons."""
        watch = self.watches.get(name)
        if watch is None:
            return
        now = ledger.mono_ns
        watch.heard_ns = now
        watch.utc_ns = ledger.now_ns
        watch.count += 1
        if watch.count == FLOOD_MESSAGES:
            self._busy.add(name)
        if watch.state != "online":
            self._online(watch, ledger)
        if now - watch.seen_ns > SEEN_EVERY_S * 1_000_000_000 or watch.seen_ns == 0:
            watch.seen_ns = now
            ledger.batch.seen[name] = ledger.now_ns

    def said(self, reading: Reading, ledger: Ledger) -> None:
        """The device's availability, as its last will, its bridge or its server told."""
        watch = self.watches.get(reading.device_id)
        if watch is None:
            return
        there = bool(reading.value or reading.active)
        if reading.attributes.get("via") is not None:
            self._bridge(watch, ledger, there=there)
        elif not there:
            if watch.state != "offline":
                why = reading.attributes.get("why", "last will or availability message")
                self._offline(watch, ledger, str(why)[:256])
        elif not reading.retained:
            self.heard(reading.device_id, ledger)
        elif watch.state == "offline" and not self._is_silent(watch, ledger):
            self._online(watch, ledger)
            watch.state = "unknown"

    def _bridge(self, watch: Watch, ledger: Ledger, *, there: bool) -> None:
        """What a device is reached through has gone or come back."""
        if there:
            if watch.cut_ns is not None:
                self._excuse(watch, watch.cut_ns, ledger)
                watch.cut_ns = None
        elif watch.cut_ns is None:
            watch.cut_ns = ledger.mono_ns
            if watch.state == "online":
                watch.state = "unknown"

    @staticmethod
    def _is_silent(watch: Watch, ledger: Ledger) -> bool:
        silence = watch.device.silence_s
        return silence is not None and ledger.mono_ns - watch.heard_ns >= silence * 1e9

    @staticmethod
    def _excuse(watch: Watch, since_ns: int, ledger: Ledger) -> None:
        """Time in which nobody could hear it is not its silence; GRACE_S at least is left."""
        away_ns = ledger.mono_ns - max(since_ns, watch.heard_ns)
        watch.heard_ns += max(away_ns, 0)
        silence_ns = int((watch.device.silence_s or 0.0) * 1e9)
        grace_ns = min(int(GRACE_S * 1e9), silence_ns)
        watch.heard_ns = max(watch.heard_ns, ledger.mono_ns - silence_ns + grace_ns)

    def garbled(self, name: str, why: str, size_bytes: int, ledger: Ledger) -> None:
        """A message of the device did not decode."""
        watch = self.watches.get(name)
        if watch is None:
            return
        watch.garbled = True
        attributes: dict[str, Scalar] = {
            "cause": "garbled",
            "why": why[:256],
            "size_bytes": size_bytes,
        }
        self._raise(watch, MESSAGE, ledger, attributes)

    def understood(self, name: str, ledger: Ledger) -> None:
        """A message of the device decoded; called only while garbled is set."""
        watch = self.watches[name]
        watch.garbled = False
        self._book.restored(ledger, name, MESSAGE.name, None)

    def link(self, name: str, *, healthy: bool, ledger: Ledger) -> None:
        """The link broke or came back; its devices are unknown until each is heard of."""
        if healthy:
            since_ns = self._links_down.pop(name, None)
            if since_ns is not None:
                for watch in self.watches.values():
                    if watch.device.link == name:
                        self._excuse(watch, since_ns, ledger)
            return
        self._links_down.setdefault(name, ledger.mono_ns)
        for watch in self.watches.values():
            if watch.device.link == name and watch.state == "online":
                watch.state = "unknown"

    def sweep(self, ledger: Ledger) -> None:
        """Once a second: who is silent, who floods. Costs nothing while nobody is due."""
        now = ledger.mono_ns
        while self._due and self._due[0][0] <= now:
            at_ns, name = heapq.heappop(self._due)
            watch = self.watches.get(name)
            if watch is None or watch.due_ns != at_ns:
                continue  # it is gone, or is looked at another time since a change
            silence_ns = int((watch.device.silence_s or GRACE_S) * 1e9)
            due = watch.heard_ns + silence_ns
            if watch.device.link in self._links_down or watch.cut_ns is not None:
                due = now + int(GRACE_S * 1e9)
            elif due <= now:
                if watch.state != "offline":
                    quiet_s = (now - watch.heard_ns) // 1_000_000_000
                    self._offline(watch, ledger, f"silent for {quiet_s} s")
                due = now + silence_ns
            self._look_at(watch, due)
        if now - self._flood_ns > FLOOD_WINDOW_S * 1e9:
            self._flood_ns = now
            self._sweep_floods(ledger)

    def _sweep_floods(self, ledger: Ledger) -> None:
        for name in sorted(self._busy):
            watch = self.watches[name]
            if watch.count >= FLOOD_MESSAGES:
                if not watch.flooding:
                    watch.flooding = True
                    rate: dict[str, Scalar] = {
                        "cause": "flooding",
                        "per_second": watch.count / FLOOD_WINDOW_S,
                    }
                    self._raise(watch, FLOODING, ledger, rate)
            else:
                self._busy.discard(name)
                if watch.flooding:
                    watch.flooding = False
                    self._book.restored(ledger, name, FLOODING.name, None)
        for watch in self.watches.values():
            watch.count = 0

    def _online(self, watch: Watch, ledger: Ledger) -> None:
        was, watch.state = watch.state, "online"
        if was == "offline":
            self._book.restored(ledger, watch.device.id, CONNECTION.name, None)

    def _offline(self, watch: Watch, ledger: Ledger, why: str) -> None:
        watch.state = "offline"
        self._raise(watch, CONNECTION, ledger, {"cause": "offline", "why": why})

    def _raise(
        self,
        watch: Watch,
        point: Point,
        ledger: Ledger,
        attributes: dict[str, Scalar],
    ) -> None:
        name = watch.device.id
        reading = Reading(
            device_id=name,
            point=point.name,
            received_ns=ledger.now_ns,
            active=True,
            attributes=attributes,
        )
        subject = self._subjects[name, point.name]
        self._book.raised(ledger, subject, point, reading, group=watch.device.link)
