"""One simulated ONVIF camera: its HTTP port, its services, its faults.

Owns    the server, which can be switched off and started anew.
Needs   words, door, events, conduct. Written from the specifications, never from a client.
Keeps   1. What was asked is counted by action in `asked`, who was refused in `refused`.
        2. Started anew it remembers its account and its inputs, and no subscription.
"""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from simulators.onvif import words
from simulators.onvif.conduct import Account, Conduct, Stream
from simulators.onvif.door import HttpDigest, token_is_right
from simulators.onvif.events import Properties, Subscription
from simulators.ports import free_port

INPUT: Final = "tns1:Device/Trigger/DigitalInput"
OPEN_TO_ALL: Final = {"GetSystemDateAndTime", "GetServices", "GetCapabilities"}
"""Access class PRE_AUTH of ONVIF Core."""
NO_SUCH: Final = ("ter:InvalidArgVal", "ter:NoProfile")


class Refusal(Exception):
    """A SOAP fault to be sent."""

    def __init__(self, status: int, code: str, subcodes: Sequence[str], reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.body = words.fault(code, subcodes, reason)


class OnvifCamera:
    """`async with` it; `url` is its device service."""

    def __init__(
        self,
        *,
        streams: Sequence[Stream] = (),
        account: Account | None = None,
        conduct: Conduct | None = None,
        inputs: Sequence[str] = (),
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.account = account or Account()
        self.conduct = conduct or Conduct()
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.streams = list(streams)
        self.properties = Properties()
        self._digest = HttpDigest(self.account)
        self._numbers = itertools.count()
        self._runner: web.ServerRunner | None = None
        self._changed = asyncio.Condition()
        for name in inputs:
            self.properties.hold(INPUT, {"InputToken": name}, {"LogicalState": "false"})

    @property
    def url(self) -> str:
        """Where it is asked first."""
        return f"http://127.0.0.1:{self.port}/onvif/device_service"

    @property
    def now(self) -> datetime:
        """What time it thinks it is."""
        return datetime.now(UTC) + timedelta(seconds=self.conduct.clock_ahead_s)

    async def __aenter__(self) -> Self:
        """Switch it on."""
        await self.power_on()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Switch it off."""
        await self.power_off()

    async def power_on(self) -> None:
        """Begin to listen."""
        # A client that hangs up ends its question: what happens next waits in the subscription.
        server = web.Server(self._answer, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def power_off(self) -> None:
        """Break every connection and forget every subscription."""
        self.lose_subscriptions()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # What a test does to it.

    def set_input(self, name: str, active: bool) -> None:  # noqa: FBT001 a contact is open or shut
        """Close or open a contact."""
        state = "true" if active else "false"
        self.set(INPUT, {"InputToken": name}, {"LogicalState": state})

    def set(self, topic: str, source: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Change a state; who has subscribed is told when it is another than before."""
        if self.properties.hold(topic, source, data):
            self.properties.tell(words.notification(topic, source, data, "Changed", self.now))

    def delete(self, topic: str, source: Mapping[str, str]) -> None:
        """Take a state away: its rule was deleted."""
        data = self.properties.drop(topic, source)
        self.properties.tell(words.notification(topic, source, data, "Deleted", self.now))

    def happen(self, topic: str, source: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Report something that has no state."""
        self.properties.tell(words.notification(topic, source, data, "", self.now))

    def lose_subscriptions(self) -> None:
        """Forget who has subscribed, and say nothing about it."""
        for subscription in self.properties.subscriptions.values():
            subscription.news.set()
        self.properties.subscriptions.clear()

    async def until_asked(self, action: str, times: int = 1) -> None:
        """Return once an action was asked (and answered) so often; the caller gives the time."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.asked[action] >= times)

    # HTTP.

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        conduct = self.conduct
        await asyncio.sleep(conduct.slow_s)
        if conduct.garbage is not None:
            return _xml(conduct.garbage, 200)
        try:
            root = ElementTree.fromstring(body)  # noqa: S314 a simulator is asked by its test
            asked = next(iter(root[-1]))
        except (ElementTree.ParseError, IndexError, StopIteration):
            return _xml(words.fault("Sender", ["ter:WellFormed"], "Not a SOAP message"), 400)
        action = asked.tag.rpartition("}")[2]
        header = root[0] if len(root) > 1 else None
        refused = self._refuse(request, header, action)
        if refused is not None:
            self.refused[action] += 1
            return refused
        try:
            said = await self._say(action, asked, request.path, header)
        except Refusal as no:
            return _xml(no.body, no.status)
        finally:
            await self._count(action)
        return await self._send(action, words.message(said), request)

    async def _send(self, action: str, body: bytes, request: web.BaseRequest) -> web.StreamResponse:
        """Send an answer, or what a fault makes of it."""
        conduct = self.conduct
        if action == "PullMessages" and conduct.garbage_pulls:
            return _xml(conduct.garbage_pulls.pop(0), 200)
        if action == "PullMessages" and conduct.cut_pulls > 0:
            conduct.cut_pulls -= 1
            return await _cut(request, body)
        return _xml(body, 200)

    async def _count(self, action: str) -> None:
        async with self._changed:
            self.asked[action] += 1
            self._changed.notify_all()

    def _refuse(
        self, request: web.BaseRequest, header: ElementTree.Element | None, action: str
    ) -> web.Response | None:
        conduct = self.conduct
        free = action in OPEN_TO_ALL and not (
            conduct.guarded_clock and action == "GetSystemDateAndTime"
        )
        if conduct.auth == "none" or free:
            return None
        if conduct.auth in {"digest", "both"} and self._digest.is_right(
            "POST", request.headers.get("Authorization"), conduct.nonce_uses
        ):
            return None
        if conduct.auth in {"token", "both"} and token_is_right(
            header, self.account, self.now, conduct.tolerance_s
        ):
            return None
        has_token = header is not None and any("Security" in each.tag for each in header)
        if conduct.auth == "digest" or (conduct.auth == "both" and not has_token):
            return web.Response(status=401, headers={"WWW-Authenticate": self._digest.challenge()})
        return _xml(words.fault("Sender", ["ter:NotAuthorized"], "Sender not Authorized"), 400)

    async def _say(
        self,
        action: str,
        asked: ElementTree.Element,
        path: str,
        header: ElementTree.Element | None,
    ) -> str:
        plain: dict[str, Callable[[ElementTree.Element], str]] = {
            "GetSystemDateAndTime": lambda _: words.date_and_time(self.now),
            "GetServices": lambda _: self._services(),
            "GetCapabilities": lambda _: self._capabilities(),
            "GetDeviceInformation": lambda _: _INFORMATION,
            "GetProfiles": self._profiles,
            "GetStreamUri": self._stream_uri,
            "CreatePullPointSubscription": self._create,
        }
        if action in plain:
            return plain[action](asked)
        subscription = self._subscription(path, header)
        if action == "PullMessages":
            return await self._pull(asked, subscription)
        if action == "SetSynchronizationPoint" and self.conduct.synchronizes:
            self.properties.initialize(subscription, self.now)
            return "<tev:SetSynchronizationPointResponse/>"
        if action == "Renew":
            subscription.ends = self._end(_text(asked, "TerminationTime"))
            return (
                f"<wsnt:RenewResponse><wsnt:TerminationTime>{words.stamp(subscription.ends)}"
                f"</wsnt:TerminationTime><wsnt:CurrentTime>{words.stamp(self.now)}"
                "</wsnt:CurrentTime></wsnt:RenewResponse>"
            )
        if action == "Unsubscribe":
            del self.properties.subscriptions[subscription.name]
            return "<wsnt:UnsubscribeResponse/>"
        raise Refusal(500, "Receiver", ["ter:ActionNotSupported"], f"No such action: {action}")

    # Device and media.

    def _address(self, path: str) -> str:
        host = self.conduct.said_host or "127.0.0.1"
        return f"http://{host}:{self.port}{path}"

    def _services(self) -> str:
        if not self.conduct.get_services:
            raise Refusal(400, "Sender", ["ter:ActionNotSupported"], "Optional Action")
        found = [("tds", "/onvif/device_service", 21), ("trt", "/onvif/media", 2)]
        found += [("tr2", "/onvif/media2", 21)] if self.conduct.media2 else []
        found.append(("tev", "/onvif/events", 21))
        inside = "".join(
            f"<tds:Service><tds:Namespace>{words.NAMESPACES[prefix]}</tds:Namespace>"
            f"<tds:XAddr>{self._address(path)}</tds:XAddr><tds:Version><tt:Major>{major}</tt:Major>"
            "<tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
            for prefix, path, major in found
        )
        return f"<tds:GetServicesResponse>{inside}</tds:GetServicesResponse>"

    def _capabilities(self) -> str:
        inside = "".join(
            f"<tt:{name}><tt:XAddr>{self._address(path)}</tt:XAddr></tt:{name}>"
            for name, path in (
                ("Device", "/onvif/device_service"),
                ("Events", "/onvif/events"),
                ("Media", "/onvif/media"),
            )
        )
        return (
            f"<tds:GetCapabilitiesResponse><tds:Capabilities>{inside}</tds:Capabilities>"
            "</tds:GetCapabilitiesResponse>"
        )

    def _profiles(self, asked: ElementTree.Element) -> str:
        new = "ver20" in asked.tag
        prefix = "tr2" if new else "trt"
        return (
            f"<{prefix}:GetProfilesResponse>"
            + "".join(_profile(each, new=new) for each in self.streams)
            + f"</{prefix}:GetProfilesResponse>"
        )

    def _stream_uri(self, asked: ElementTree.Element) -> str:
        token = _text(asked, "ProfileToken")
        stream = next((each for each in self.streams if each.name == token), None)
        if stream is None:
            raise Refusal(400, "Sender", NO_SUCH, "No such profile")
        uri = stream.uri
        if self.conduct.said_host is not None:
            port = urlsplit(uri).port or 554
            uri = urlsplit(uri)._replace(netloc=f"{self.conduct.said_host}:{port}").geturl()
        uri = escape(uri)
        if "ver20" in asked.tag:
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
            "</trt:MediaUri></trt:GetStreamUriResponse>"
        )

    # Events.

    def _end(self, said: str) -> datetime:
        span = re.fullmatch(r"PT(\d+)S", said)
        if span is None:
            return datetime.fromisoformat(said)
        if self.conduct.odd_spans:
            return self.now
        return self.now + timedelta(seconds=int(span[1]))

    def _create(self, asked: ElementTree.Element) -> str:
        self.properties.expire(self.now)
        if len(self.properties.subscriptions) >= self.conduct.subscriptions:
            raise Refusal(500, "Receiver", ["ter:Action"], "Maximum number of pull points")
        name = str(next(self._numbers))
        made = Subscription(name, self._end(_text(asked, "InitialTerminationTime") or "PT60S"))
        self.properties.subscriptions[name] = made
        self.properties.initialize(made, self.now)
        path, extra = f"/onvif/subscription/{name}", ""
        if self.conduct.references:
            path = "/onvif/subscription"
            extra = (
                '<wsa:ReferenceParameters><m:Number xmlns:m="http://www.maker.example/sub">'
                f"{name}</m:Number></wsa:ReferenceParameters>"
            )
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa:Address>{self._address(path)}</wsa:Address>{extra}"
            f"</tev:SubscriptionReference><wsnt:CurrentTime>{words.stamp(self.now)}"
            f"</wsnt:CurrentTime><wsnt:TerminationTime>{words.stamp(made.ends)}"
            "</wsnt:TerminationTime></tev:CreatePullPointSubscriptionResponse>"
        )

    def _subscription(self, path: str, header: ElementTree.Element | None) -> Subscription:
        self.properties.expire(self.now)
        name = path.rpartition("/")[2]
        if self.conduct.references and header is not None:
            name = _text(header, "Number")
        found = self.properties.subscriptions.get(name)
        if found is None:
            raise Refusal(500, "Receiver", ["ter:InvalidArgVal"], "The subscription is unknown")
        return found

    async def _pull(self, asked: ElementTree.Element, subscription: Subscription) -> str:
        span = re.fullmatch(r"PT(\d+)S", _text(asked, "Timeout"))
        limit = int(_text(asked, "MessageLimit"))
        subscription.ends = max(subscription.ends, self.now + timedelta(seconds=60))
        wait_s = float(span[1]) if span and self.conduct.waits else 0.0
        limit = len(subscription.queue) if self.conduct.ignores_limit else limit
        taken = await subscription.take(wait_s, limit)
        if self.properties.subscriptions.get(subscription.name) is not subscription:
            raise Refusal(500, "Receiver", ["ter:InvalidArgVal"], "The subscription is unknown")
        return (
            f"<tev:PullMessagesResponse><tev:CurrentTime>{words.stamp(self.now)}</tev:CurrentTime>"
            f"<tev:TerminationTime>{words.stamp(subscription.ends)}</tev:TerminationTime>"
            f"{''.join(taken)}</tev:PullMessagesResponse>"
        )


_INFORMATION: Final = (
    "<tds:GetDeviceInformationResponse><tds:Manufacturer>Simulated</tds:Manufacturer>"
    "<tds:Model>SIM-1</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
    "<tds:SerialNumber>0001</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
    "</tds:GetDeviceInformationResponse>"
)


def _profile(stream: Stream, *, new: bool) -> str:
    prefix = "tr2" if new else "trt"
    codec = stream.codec if new or stream.codec != "H265" else "H264"  # the old service has no word
    size = (
        f"<tt:Encoding>{codec}</tt:Encoding><tt:Resolution><tt:Width>{stream.width}</tt:Width>"
        f"<tt:Height>{stream.height}</tt:Height></tt:Resolution>"
    )
    source = f"<tt:SourceToken>{stream.source}</tt:SourceToken>"
    if new:
        inside = (
            f'<tr2:Configurations><tr2:VideoSource token="v">{source}</tr2:VideoSource>'
            f'<tr2:VideoEncoder token="e">{size}</tr2:VideoEncoder></tr2:Configurations>'
        )
    else:
        inside = (
            f'<tt:VideoSourceConfiguration token="v">{source}</tt:VideoSourceConfiguration>'
            f'<tt:VideoEncoderConfiguration token="e">{size}</tt:VideoEncoderConfiguration>'
        )
    return (
        f'<{prefix}:Profiles token="{stream.name}" fixed="true"><{prefix}:Name>{stream.name}'
        f"</{prefix}:Name>{inside}</{prefix}:Profiles>"
    )


def _text(element: ElementTree.Element, name: str) -> str:
    found = next((each for each in element.iter() if each.tag.rpartition("}")[2] == name), None)
    return "" if found is None else (found.text or "").strip()


def _xml(body: bytes, status: int) -> web.Response:
    return web.Response(
        body=body, status=status, headers={"Content-Type": "application/soap+xml; charset=utf-8"}
    )


async def _cut(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Promise the whole answer, send half of it, and break the connection."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response
