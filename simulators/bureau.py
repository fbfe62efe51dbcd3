"""The education bureau's receiver: listens at a broker, checks records, sends receipts of later.

Owns    one durable MQTT session and one inbox.
Needs   a broker. Knows the contract, and nothing of how a gateway publishes.
Keeps   1. A record is in the inbox's file before the broker gets the PUBACK.
        2. Topics that end in /status say whether a gateway lives; those that end in /receipts are
           its own; everything else is a record.
        3. Bounds: 1,000 statuses are kept; slow means at most `delay_s` for each message.
"""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson

from simulators.inbox import Inbox
from simulators.mqtt import V5, V311, Address, Listener, Message, Publisher
from simulators.progress import LaterState, Progress

MAX_STATUSES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a gateway, or the broker on its behalf, said of itself."""

    topic: str
    text: str
    retained: bool

    @property
    def online(self) -> bool:
        """Whether it says it lives: `online`, or JSON with that state."""
        with suppress(orjson.JSONDecodeError):
            content = orjson.loads(self.text)
            if isinstance(content, dict):
                return content.get("state", content.get("status")) == "online"
        return self.text == "online"


class Bureau:
    """A receiver behind a broker.

    topic       what it subscribes to
    progress    later states of a raised alarm with the seconds after its arrival, published to
                campus/SITE/GATEWAY/receipts
    delay_s     how slow it is: seconds before each PUBACK; may be changed at any time
    """

    def __init__(
        self,
        address: Address,
        *,
        topic: str = "campus/#",
        inbox: Inbox | None = None,
        client_id: str = "bureau",
        version: int = V5,
        progress: Sequence[tuple[str, float]] = (),
    ) -> None:
        self.inbox = inbox or Inbox()
        self.delay_s = 0.0
        self.statuses: deque[Status] = deque(maxlen=MAX_STATUSES)
        self.progress = Progress(progress, self._tell)
        self._address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard = asyncio.Condition()
        self._listener = Listener(
            address,
            topic,
            client_id=client_id,
            on_message=self._take,
            version=version,
            keep_session=True,
        )
        self._voice = Publisher(address, client_id=f"{client_id}-voice", version=version)
        self._numbers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Connect, subscribe, begin to tell."""
        self._loop = asyncio.get_running_loop()
        await self._listener.open()
        await self._voice.open()
        await self.progress.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect; the broker goes on keeping what comes."""
        self.delay_s = 0.0
        await self.progress.stop()
        await self._listener.close()
        await self._voice.close()
        self.inbox.close()

    async def leave(self) -> None:
        """Be absent: the session stays with the broker, nobody takes anything."""
        await self._listener.close()

    async def come_back(self) -> None:
        """Take what was kept, then what comes; raises TimeoutError when the broker is away."""
        await self._listener.open()

    async def send_receipt(self, later: LaterState) -> None:
        """Publish one receipt to the gateway named by the record's source, and wait for PUBACK."""
        topic = f"{later.source.strip('/')}/receipts"
        await self._voice.publish(topic, orjson.dumps(later.body()))

    async def until_status(self, online: bool, timeout_s: float = 30.0) -> Status:  # noqa: FBT001
        """Return the newest status once it says so; raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._heard:
            await self._heard.wait_for(
                lambda: bool(self.statuses) and self.statuses[-1].online is online
            )
            return self.statuses[-1]

    async def _tell(self, later: LaterState) -> None:
        await self.send_receipt(later)

    def _take(self, message: Message) -> None:
        """In paho's thread, before the PUBACK."""
        if message.topic.endswith("/receipts"):
            return
        if self.delay_s:
            time.sleep(self.delay_s)
        if message.topic.endswith("/status"):
            text = message.payload.decode("utf-8", "replace")
            self._call(self._note, Status(topic=message.topic, text=text, retained=message.retain))
            return
        late = dict(message.properties).get("late-seconds", "")
        extra = [] if message.qos else ["came with QoS 0, which promises nothing"]
        if message.retain:
            extra.append("was retained: a record is news, not a state")
        received = self.inbox.take(
            message.payload,
            late_s=int(late) if late.isdigit() else None,
            extra=tuple(extra),
        )
        if received.nth == 1 and received.type == "campus.alarm.raised.v1":
            number = self._numbers.setdefault(received.id, f"JY-{1000 + len(self._numbers)}")
            source = str(received.record.get("source", ""))
            self._call(self.progress.begin, received.id, number, source)

    def _call(self, what: object, *arguments: object) -> None:
        if self._loop is not None and callable(what):
            with suppress(RuntimeError):  # the loop has ended: nobody waits for it any more
                self._loop.call_soon_threadsafe(what, *arguments)

    def _note(self, status: Status) -> None:
        self.statuses.append(status)
        asyncio.ensure_future(self._wake())  # noqa: RUF006 it ends in this turn of the loop

    async def _wake(self) -> None:
        async with self._heard:
            self._heard.notify_all()


def _progress(text: str) -> list[tuple[str, float]]:
    pairs = [part.split("=") for part in text.split(",") if part]
    return [(state, float(after_s)) for state, after_s in pairs]


async def _serve(options: argparse.Namespace) -> None:
    password = options.password_file.read_text("utf-8").strip() if options.password_file else None
    address = Address(
        host=options.host,
        port=options.port,
        username=options.username,
        password=password,
        ca=options.ca,
        cert=options.cert,
        key=options.key,
    )
    bureau = Bureau(
        address,
        topic=options.topic,
        inbox=Inbox(options.inbox),
        version=V311 if options.mqtt3 else V5,
        progress=options.progress,
    )
    bureau.delay_s = options.delay_s
    async with bureau:
        print(f"教育局接收端 / bureau receiver: {address.url} {options.topic}", flush=True)
        await asyncio.sleep(options.for_s)
    for problem in bureau.inbox.problems:
        print(problem, file=sys.stderr)
    print(f"records {len(bureau.inbox.copies)}, repeats {bureau.inbox.repeat_count}")


def main() -> None:
    """Run the bureau for a while: python -m simulators.bureau --port 1883."""
    parser = argparse.ArgumentParser(prog="simulators.bureau", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="campus/#")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--ca", type=Path)
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--mqtt3", action="store_true", help="MQTT 3.1.1")
    parser.add_argument("--inbox", type=Path, help="收到的记录写到这里 / what came in, one a line")
    parser.add_argument("--progress", type=_progress, default=[], metavar="STATE=SECONDS,…")
    parser.add_argument("--delay-s", type=float, default=0.0, help="每条延时 / slow by that much")
    parser.add_argument("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
