"""RTSP 1.0 messages (RFC 2326): ours as bytes, the camera's from bytes.

Owns    the text form of requests and responses.
Needs   nothing of ours. Pure.
Keeps   1. Nothing that goes out holds a line break that came in.
        2. A header is at most MAX_HEADER_BYTES, a body at most MAX_BODY_BYTES: BadMessage beyond.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_HEADER_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 64 * 1024
USER_AGENT: Final = "campus-gateway"
_STATUS: Final = re.compile(r"RTSP/\d\.\d\s+(\d{3})\s*(.*)")


class BadMessage(ValueError):
    """What arrived is no RTSP message, or is too long for one. The session ends: LinkDown."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a camera said: a response (status), or a request of its own (status 0).

    reason   of a response its text, of a request its first line; cut to 80 printable characters
    headers  names in lower case; of several with one name, all
    """

    status: int
    reason: str
    headers: Mapping[str, tuple[str, ...]]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of that name, "" when there is none."""
        return self.headers.get(name, ("",))[0]

    @property
    def number(self) -> int | None:
        """CSeq; None when there is none that is a number."""
        text = self.header("cseq").strip()
        return int(text) if text.isdecimal() and len(text) < 10 else None


def request(method: str, uri: str, number: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """One request without body."""
    lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {number}", f"User-Agent: {USER_AGENT}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if any("\r" in line or "\n" in line for line in lines):
        raise BadMessage("a line break inside a header")
    return "\r\n".join([*lines, "", ""]).encode()


def refusal(asked: Message) -> bytes:
    """Our answer to whatever a camera asks of us: we do nothing for it."""
    return f"RTSP/1.0 501 Not Implemented\r\nCSeq: {asked.number or 0}\r\n\r\n".encode()


def parse_header(text: bytes) -> tuple[Message, int]:
    """A message without its body, and how many bytes of body follow it.

    text    everything up to the empty line
    raises  BadMessage
    """
    lines = re.split(r"\r\n|\n|\r", text.decode("utf-8", "replace"))
    match = _STATUS.match(lines[0])
    headers: dict[str, tuple[str, ...]] = {}
    for line in _unfolded(lines[1:]):
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = (*headers.get(key, ()), value.strip())
    length = headers.get("content-length", ("0",))[0]
    if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY_BYTES:
        raise BadMessage(f"a body of {length[:20]!r} bytes, at most {MAX_BODY_BYTES}")
    status, reason = (int(match[1]), match[2]) if match else (0, lines[0])
    return Message(status, printable(reason), headers), int(length)


def printable(text: str) -> str:
    """At most 80 characters of what a camera said, fit for a log line."""
    return "".join(char if char.isprintable() else "?" for char in text[:80])


def _unfolded(lines: Iterable[str]) -> list[str]:
    """Header lines, each with those behind it that begin with a blank (RFC 2326, 15.1)."""
    whole: list[str] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and whole:
            whole[-1] += " " + line.strip()
        elif line:
            whole.append(line)
    return whole
