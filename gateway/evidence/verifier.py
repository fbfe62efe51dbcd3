#!/usr/bin/env python3
"""Checks one evidence package of a campus gateway, and names the first thing that does not match.

Owns    the rules a package obeys, byte for byte: gateway/evidence/FORMAT.md. What writes packages
        uses the headers and names of this file.
Needs   Python 3.8 or newer and nothing else: this file is in each package as __main__.py, is run by
        `campus-gateway verify --package`, and may be used alone: `python3 verifier.py PACKAGE`.
Keeps   1. No byte of a package is unlooked at: the headers are made again from name, size and check
           sum and compared, and nothing may lie before, between or behind the members.
        2. Good means: unchanged since it was signed. Who signed is told by the key's fingerprint,
           and only --key says that it is the one you expect. The key in the package proves nothing.
        3. Any bytes give an answer; what a package says is never run, unpacked or believed.
Bound   one pass over the file and one over its video, PIECE_BYTES at a time; a manifest and a
        timeline of TEXT_MOST_BYTES, lines of LINE_MOST_BYTES, MEMBERS_MOST members.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
import zlib
from pathlib import Path

FORMAT = "campus-gateway evidence"
VERSION = 1
SIGNED_PREFIX = b"campus-gateway evidence 1\n"
"""Before the manifest's bytes when it is signed: the key signs nothing else that begins so."""
FIRST = (
    "README.txt",
    "__main__.py",
    "public-key.pem",
    "events.jsonl",
    "events-chain.jsonl",
    "deliveries.json",
    "audit.jsonl",
    "audit-chain.jsonl",
)
LAST = ("timeline.json", "manifest.json", "manifest.sig")
MEMBERS_MOST = 200_000
NAME_MOST = 240
TEXT_MOST_BYTES = 256 * 1024 * 1024
LINE_MOST_BYTES = 64 * 1024
SEAL_MOST_BYTES = 4096
PIECE_BYTES = 1024 * 1024
JOIN_NS = 200_000_000
"""Less than this between two segments is no hole: five pictures at 25 a second."""

_SEAL = bytes.fromhex("c5d86c1e4a3f4b0e9d0463616d707573")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._~-]{0,127}){0,3}")
_SEGMENT = re.compile(
    r"video/([A-Za-z0-9][A-Za-z0-9._~-]{0,79})/(\d{8}T\d{6}\.\d{9}Z\.mp4)", re.ASCII
)
_STILL = re.compile(r"stills/[A-Za-z0-9][A-Za-z0-9._~-]{0,79}\.(jpg|json)")
_HEX64 = re.compile(r"[0-9a-f]{64}")


class Mismatch(Exception):
    """The first thing that does not match; Chinese first."""


# The container: a ZIP file in which everything but names, sizes and check sums is fixed.

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_FULL = 0xFFFFFFFF
_UTF8 = 0x0800
_DATE = (0, 0x21)
"""Midnight of 1980-01-01, the first that ZIP can say: when it was made is in the manifest."""


def local_header(name: bytes, size: int, crc: int) -> bytes:
    """Return what stands before a member's bytes."""
    long = size >= _FULL
    extra = struct.pack("<HHQQ", 1, 16, size, size) if long else b""
    short = _FULL if long else size
    needs = 45 if long else 20
    head = _LOCAL.pack(b"PK\3\4", needs, _UTF8, 0, *_DATE, crc, short, short, len(name), len(extra))
    return head + name + extra


def central_header(name: bytes, size: int, crc: int, offset: int) -> bytes:
    """Return a member's line in the directory at the end."""
    values = b""
    if size >= _FULL:
        values += struct.pack("<QQ", size, size)
    if offset >= _FULL:
        values += struct.pack("<Q", offset)
    extra = struct.pack("<HH", 1, len(values)) + values if values else b""
    short = min(size, _FULL)
    needs = 45 if values else 20
    head = _CENTRAL.pack(
        *(b"PK\1\2", 3 << 8 | needs, needs, _UTF8, 0, *_DATE, crc, short, short),
        *(len(name), len(extra), 0, 0, 0, 0o100444 << 16, min(offset, _FULL)),
    )
    return head + name + extra


def end_records(count: int, size: int, offset: int) -> bytes:
    """Return what ends the file behind a directory of so many lines and bytes."""
    told = b""
    if count >= 0xFFFF or size >= _FULL or offset >= _FULL:
        told = _END64.pack(b"PK\6\6", 44, 3 << 8 | 45, 45, 0, 0, count, count, size, offset)
        told += _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
    few = min(count, 0xFFFF)
    few_bytes, at = min(size, _FULL), min(offset, _FULL)
    return told + _END.pack(b"PK\5\6", 0, 0, few, few, few_bytes, at, 0)


class Member:
    """One member as it was found: where its bytes lie, how many, and their digest."""

    def __init__(self, name: str, header_at: int, at: int, size: int, crc: int) -> None:
        self.name = name
        self.header_at = header_at
        self.at = at
        self.size = size
        self.crc = crc
        self.sha256 = ""


class Package:
    """An open package: its members in order, and their bytes."""

    def __init__(self, file, told) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
        self._file = file
        self._told = told
        self.length = file.seek(0, 2)
        self.members: dict[str, Member] = {}

    def walk(self) -> None:
        """Go over every byte once. Raises Mismatch."""
        at = 0
        last = "(文件开头 the beginning)"
        while True:
            begin = self.read(at, 4)
            if begin == b"PK\1\2":
                break
            if begin != b"PK\3\4":
                raise Mismatch(
                    f"{last} 之后 behind it: 第 {at} 字节不是成员 byte {at} is no member"
                )
            member = self._member(at, last)
            self._hash(member)
            if len(self.members) > MEMBERS_MOST:
                raise Mismatch(f"成员过多 more than {MEMBERS_MOST} members")
            self.members[member.name] = member
            at, last = member.at + member.size, member.name
        self._directory(at)

    def _member(self, at: int, last: str) -> Member:
        where = f"{last} 之后的成员头 the header behind it"
        head = self.read(at, _LOCAL.size)
        if len(head) < _LOCAL.size:
            raise Mismatch(f"{where}: 文件被截断 the file ends in it")
        fields = _LOCAL.unpack(head)
        crc, size, name_bytes, extra_bytes = fields[6], fields[8], fields[9], fields[10]
        tail = self.read(at + _LOCAL.size, name_bytes + extra_bytes)
        raw = tail[:name_bytes]
        name = raw.decode("ascii", "replace")
        if name_bytes > NAME_MOST or not _NAME.fullmatch(name):
            raise Mismatch(f"{where}: 名称不允许 no such name is allowed: {name[:80]!r}")
        if size == _FULL and extra_bytes == 20 and len(tail) == name_bytes + 20:
            size = struct.unpack("<Q", tail[-8:])[0]
        if head + tail != local_header(raw, size, crc):
            raise Mismatch(f"{name}: 成员头被改动 its header is not as it was written")
        if name in self.members:
            raise Mismatch(f"{name}: 出现两次 it is there twice")
        begin = at + len(head) + len(tail)
        if begin + size > self.length:
            raise Mismatch(f"{name}: 文件被截断 the file ends in it")
        return Member(name, at, begin, size, crc)

    def _hash(self, member: Member) -> None:
        crc, digest = 0, hashlib.sha256()
        for piece in self.pieces(member):
            crc = zlib.crc32(piece, crc)
            digest.update(piece)
        if crc != member.crc:
            raise Mismatch(f"{member.name}: 内容与校验和不符 its content was changed (check sum)")
        member.sha256 = digest.hexdigest()

    def _directory(self, begin: int) -> None:
        at = begin
        for member in self.members.values():
            line = central_header(
                member.name.encode("ascii"), member.size, member.crc, member.header_at
            )
            if self.read(at, len(line)) != line:
                raise Mismatch(f"{member.name}: 目录不符 its line in the directory does not match")
            at += len(line)
        end = end_records(len(self.members), at - begin, begin)
        if self.read(at, len(end)) != end:
            raise Mismatch("目录之后 behind the directory: 文件结尾不符 the end does not match")
        if at + len(end) != self.length:
            raise Mismatch("文件结尾之后还有内容 there are bytes behind the end")

    def read(self, at: int, size: int) -> bytes:
        """Return some bytes, fewer at the end of the file."""
        self._file.seek(at)
        return bytes(self._file.read(size))

    def pieces(self, member: Member):  # type: ignore[no-untyped-def] # noqa: ANN201
        """Yield a member's bytes."""
        at, rest = member.at, member.size
        while rest:
            piece = self.read(at, min(rest, PIECE_BYTES))
            if not piece:
                raise Mismatch(f"{member.name}: 文件被截断 the file ends in it")
            at += len(piece)
            rest -= len(piece)
            self._told(len(piece))
            yield piece

    def text(self, name: str, most: int = TEXT_MOST_BYTES) -> bytes:
        """Return a small member's bytes. Raises Mismatch when it is missing or not small."""
        member = self.members.get(name)
        if member is None:
            raise Mismatch(f"{name}: 缺失 it is missing")
        if member.size > most:
            raise Mismatch(f"{name}: 过大 it has {member.size} bytes, expected at most {most}")
        return self.read(member.at, member.size)

    def lines(self, name: str):  # type: ignore[no-untyped-def] # noqa: ANN201
        """Yield the lines of a member without their ends; each must have one."""
        if name not in self.members:
            raise Mismatch(f"{name}: 缺失 it is missing")
        rest = b""
        for piece in self.pieces(self.members[name]):
            rest += piece
            while True:
                line, end, after = rest.partition(b"\n")
                if len(line) > LINE_MOST_BYTES:
                    raise Mismatch(f"{name}: 行过长 a line is too long")
                if not end:
                    break
                yield line
                rest = after
        if rest:
            raise Mismatch(f"{name}: 末行不完整 its last line has no end")


# The signature: Ed25519 as in RFC 8032 section 5.1, checking only; nothing here is secret.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_KEY_HEAD = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in a PUBLIC KEY (RFC 8410 section 4)."""


def _x_of(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _point(encoded: bytes) -> tuple[int, int, int, int] | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _add(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Add two points in extended coordinates: the formulas of RFC 8032 section 5.1.4."""
    low = (a[1] - a[0]) * (b[1] - b[0]) % _P
    high = (a[1] + a[0]) * (b[1] + b[0]) % _P
    cross = 2 * a[3] * b[3] * _D % _P
    twice = 2 * a[2] * b[2] % _P
    e, f, g, h = high - low, twice - cross, twice + cross, high + low
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    total = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def ed25519_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of the message was made with the secret of this key (32 bytes)."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, early = _point(key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or early is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    factor = int.from_bytes(digest, "little") % _L
    left = _times(scalar, _BASE)
    right = _add(early, _times(factor, public))
    return (
        left[0] * right[2] % _P == right[0] * left[2] % _P
        and left[1] * right[2] % _P == right[1] * left[2] % _P
    )


def pem_of(key: bytes) -> bytes:
    """Return a key of 32 bytes as a PUBLIC KEY in PEM, in the one form we write."""
    told = base64.b64encode(_KEY_HEAD + key)
    return b"-----BEGIN PUBLIC KEY-----\n" + told + b"\n-----END PUBLIC KEY-----\n"


def key_of(pem: bytes) -> bytes:
    """Return the 32 bytes of an Ed25519 PUBLIC KEY. Raises ValueError."""
    told = b"".join(line.strip() for line in pem.splitlines() if line[:5] != b"-----")
    whole = base64.b64decode(told, validate=True)
    if whole[:12] != _KEY_HEAD or len(whole) != 44:
        raise ValueError("no Ed25519 public key")
    return whole[12:]


def fingerprint(key: bytes) -> str:
    """Return what people compare: SHA-256 of the 32 bytes, in hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


# What is inside.


def _json(raw: bytes, name: str):  # type: ignore[no-untyped-def] # noqa: ANN202
    def once(pairs: list) -> dict:  # type: ignore[type-arg]
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member is there twice")
        return found

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Mismatch(f"{name}: 无法读取 it cannot be read: {error}") from error


def _manifest(package: Package) -> dict:  # type: ignore[type-arg]
    found = _json(package.text("manifest.json"), "manifest.json")
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Mismatch("manifest.json: 不是证据包清单 it is no manifest of an evidence package")
    if found.get("version") != VERSION:
        raise Mismatch(
            f"manifest.json: 版本 version {found.get('version')!r}, 此工具只认 this tool knows"
            f" {VERSION}; 请用更新的工具 use a newer one"
        )
    return found


def _signature(package: Package, manifest: dict, wanted: str) -> str:  # type: ignore[type-arg]
    pem = package.text("public-key.pem", 1024)
    try:
        key = key_of(pem)
    except ValueError as error:
        raise Mismatch(f"public-key.pem: 无法读取 it cannot be read: {error}") from error
    if pem != pem_of(key):
        raise Mismatch("public-key.pem: 格式不符 it is not as it was written")
    told = package.text("manifest.sig", 1024)
    try:
        signature = bytes.fromhex(told.decode("ascii"))
    except ValueError as error:
        raise Mismatch("manifest.sig: 无法读取 it cannot be read") from error
    if told != signature.hex().encode() + b"\n":
        raise Mismatch("manifest.sig: 格式不符 it is not as it was written")
    message = SIGNED_PREFIX + package.text("manifest.json")
    if not ed25519_holds(key, message, signature):
        raise Mismatch("manifest.sig: 签名不符 manifest.json was not signed with public-key.pem")
    found = fingerprint(key)
    if manifest.get("key") != found:
        raise Mismatch("manifest.json: key: 与 public-key.pem 不符 it names another key")
    if wanted and found != wanted:
        raise Mismatch(
            f"public-key.pem: 密钥指纹 fingerprint {found}, 应为 expected {wanted}:"
            " 不是您指定的网关签署 it was not signed by the gateway you named"
        )
    return found


def _listed(package: Package, manifest: dict) -> None:  # type: ignore[type-arg]
    """The manifest names every member but itself and its signature, in order."""
    listed = manifest.get("members")
    if not isinstance(listed, list):
        raise Mismatch("manifest.json: members: 缺失 it is missing")
    names = list(package.members)
    told = [entry.get("name") if isinstance(entry, dict) else None for entry in listed]
    for index, entry in enumerate(listed):
        name = told[index]
        if index >= len(names) - 2 or names[index] != name:
            if index < len(names) - 2 and names[index] not in told:
                raise Mismatch(f"{names[index]}: 清单中没有 it is not in the manifest")
            raise Mismatch(f"{name}: 清单中有，此处没有 in the manifest, and not in its place")
        member = package.members[names[index]]
        if entry.get("size_bytes") != member.size or entry.get("sha256") != member.sha256:
            raise Mismatch(f"{name}: 与清单的哈希不符 it does not match its hash in the manifest")
    if len(listed) != len(names) - 2:
        raise Mismatch(f"{names[len(listed)]}: 清单中没有 it is not in the manifest")
    _order(names)


def _order(names: list[str]) -> None:
    middle = names[len(FIRST) : -len(LAST)]
    stills = [name for name in middle if _STILL.fullmatch(name)]
    segments = [name for name in middle if _SEGMENT.fullmatch(name)]
    expected = [*FIRST, *sorted(stills), *sorted(segments), *LAST]
    for index, name in enumerate(expected):
        if index >= len(names) or names[index] != name:
            raise Mismatch(f"{name}: 缺失或次序不符 it is missing or not in its place")
    if len(names) != len(expected):
        raise Mismatch(f"{names[len(expected)]}: 不属于证据包 it does not belong in a package")


def _sealed(line: bytes, name: str) -> tuple[int, str, str]:
    """Return seq, prev_hash and hash of a record or entry whose own hash holds."""
    at = line.rfind(b',"hash":"')
    digest = hashlib.sha256(line[:at]).hexdigest()
    said = _json(line, name)
    data = said.get("data") if isinstance(said, dict) else None
    seq = said.get("seq") if isinstance(said, dict) else None
    if not isinstance(data, dict) or type(seq) is not int:
        raise Mismatch(f"{name}: 不是记录 a line is no record: {line[:60]!r}")
    if at < 0 or line[at + 9 :] != digest.encode() + b'"}}' or data.get("hash") != digest:
        raise Mismatch(f"{name}: 第 {seq} 号记录被改动 record {seq} does not match its own hash")
    return seq, str(data.get("prev_hash")), digest


class _Link:
    """One line of a chain file: a number and its hash, or numbers that are not there and why."""

    def __init__(self, line: bytes, name: str) -> None:
        said = _json(line, name)
        said = said if isinstance(said, dict) else {}
        low, high = said.get("seq", said.get("from")), said.get("seq", said.get("to"))
        digest, why = said.get("hash", ""), said.get("why", "")
        if type(low) is not int or type(high) is not int:
            low, high = -1, -1
        hashed = isinstance(digest, str) and bool(_HEX64.fullmatch(digest))
        hole = why in ("left_out", "absent") and digest == "" and "seq" not in said
        if not 0 <= low <= high or not (hole or (hashed and "seq" in said and why == "")):
            raise Mismatch(f"{name}: 不是链节 a line is no link: {line[:80]!r}")
        self.low, self.high = low, high
        self.digest, self.why = str(digest), str(why)
        self.newest = said.get("newest") is True


def _chain(package: Package, name: str, links: str) -> int:
    """Every record's hash holds, and each names the one before it; returns how many there are."""
    records = (_sealed(line, name) for line in package.lines(name))
    record = next(records, None)
    count = 0
    last = None
    for line in package.lines(links):
        link = _Link(line, links)
        _follows(last, link, links)
        if record is not None and record[0] <= link.high:
            _stands(record, last, link, name)
            record, count = next(records, None), count + 1
        last = link
    if record is not None:
        raise Mismatch(f"{name}: 第 {record[0]} 号记录不在链上 it is not in the chain")
    return count


def _follows(last: _Link | None, link: _Link, name: str) -> None:
    """Numbers rise by one; only the last line, the newest at the time of export, may leap."""
    if last is None:
        return
    again = link.newest and link.low == last.high and link.digest == last.digest
    leap = link.newest and link.low > last.high
    if last.newest or not (again or leap or link.low == last.high + 1):
        raise Mismatch(f"{name}: 链在 {last.high + 1} 处断开 the chain is broken there")


def _stands(record: tuple[int, str, str], last: _Link | None, link: _Link, name: str) -> None:
    seq, previous, digest = record
    if link.low != seq or link.digest != digest:
        raise Mismatch(f"{name}: 第 {seq} 号记录与链不符 the chain has another one there")
    if last is None or last.why == "left_out" or last.high != seq - 1:
        raise Mismatch(f"{name}: 第 {seq} 号记录无前项 what is before it is missing")
    if last.digest and last.digest != previous:
        raise Mismatch(f"{name}: 第 {seq} 号记录不接上一条 it does not continue the one before it")


def _seal(package: Package, member: Member) -> dict:  # type: ignore[type-arg]
    """Return what the seal of a segment says, once the bytes before it match its hash."""
    tail = package.read(member.at + max(0, member.size - SEAL_MOST_BYTES), SEAL_MOST_BYTES)
    tail = tail[: member.size]
    size = int.from_bytes(tail[-4:], "big")
    box = tail[-size:] if 60 <= size <= len(tail) else b""
    if box[:24] != struct.pack(">I4s16s", size, b"uuid", _SEAL):
        raise Mismatch(f"{member.name}: 没有封印 there is no seal at its end")
    if hashlib.sha256(box[:-36]).digest() != box[-36:-4]:
        raise Mismatch(f"{member.name}: 封印被改动 its seal does not match its own hash")
    said = _json(box[24:-36], member.name)
    part = Member(member.name, 0, member.at, member.size - size, 0)
    digest = hashlib.sha256()
    for piece in package.pieces(part):
        digest.update(piece)
    if not isinstance(said, dict) or said.get("sha256") != digest.hexdigest():
        raise Mismatch(f"{member.name}: 录像与封印不符 its video does not match its seal")
    return said


def _ns_of(name: str) -> int:
    """Return the time in a segment's name, UTC nanoseconds, by the calendar alone."""
    year, month, day = int(name[:4]), int(name[4:6]), int(name[6:8])
    hour, minute, second, rest = int(name[9:11]), int(name[11:13]), int(name[13:15]), name[16:25]
    if not 1 <= month <= 12:
        return -1
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return ((days * 24 + hour) * 3600 + minute * 60 + second) * 10**9 + int(rest)


def _video(package: Package) -> tuple[int, list[str]]:
    """Segments, their seals and the timeline agree, and no hole is untold."""
    timeline = _json(package.text("timeline.json"), "timeline.json")
    listed: set[str] = set()
    notes: list[str] = []
    cameras = timeline.get("cameras") if isinstance(timeline, dict) else None
    if not isinstance(cameras, list):
        raise Mismatch("timeline.json: cameras: 缺失 it is missing")
    for camera in cameras:
        try:
            listed |= _camera(package, camera, notes)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Mismatch(f"timeline.json: 无法读取 it cannot be read: {error!r}") from error
    for name in package.members:
        if name.startswith("video/") and name not in listed:
            raise Mismatch(f"{name}: timeline.json 中没有 it is not in timeline.json")
    return len(listed), notes


def _camera(package: Package, camera: dict, notes: list[str]) -> set[str]:  # type: ignore[type-arg]
    told = str(camera["camera"])
    listed: set[str] = set()
    covered: list[tuple[int, int]] = []
    for entry in camera["segments"]:
        name = f"video/{told}/{entry['name']}"
        member = package.members.get(name)
        if member is None:
            raise Mismatch(f"{name}: timeline.json 中有而包中没有 in timeline.json, and not there")
        if name in listed:
            raise Mismatch(f"{name}: timeline.json 中出现两次 it is in timeline.json twice")
        listed.add(name)
        covered.append((int(entry["start_ns"]), int(entry["end_ns"])))
        if entry.get("wrong"):
            notes.append(f"{name}: 导出时已损坏 damaged already when exported: {entry['wrong']}")
            continue
        said = _seal(package, member)
        if said.get("camera") != told or said.get("started_ns") != _ns_of(entry["name"]):
            raise Mismatch(f"{name}: 封印属于另一段录像 its seal is that of another segment")
        for key, value in (
            ("started_ns", entry["start_ns"]),
            ("ended_ns", entry["end_ns"]),
            ("frames", entry["frames"]),
            ("sha256", entry["sha256"]),
        ):
            if said.get(key) != value:
                raise Mismatch(f"timeline.json: {name}: {key} 与封印不符 does not match its seal")
    holes = [(int(gap["from_ns"]), int(gap["to_ns"])) for gap in camera["gaps"]]
    _whole(told, (int(camera["from_ns"]), int(camera["to_ns"])), [*covered, *holes])
    return listed


def _whole(camera: str, span: tuple[int, int], covered: list[tuple[int, int]]) -> None:
    """What was recorded and what is told as a gap leave no hole in the time that was asked for."""
    at, end = span
    for low, high in sorted([*covered, (end, end)]):
        if min(low, end) - at > JOIN_NS:
            raise Mismatch(
                f"timeline.json: {camera}: {at} ns 之后既无录像也无说明 a hole that nobody told of"
            )
        at = max(at, high)


class Result:
    """What was found: fault is the first thing that does not match, None when all does."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.key = ""
        self.manifest: dict = {}  # type: ignore[type-arg]
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}


def check(path: str | Path, key: str = "", told=lambda _bytes: None) -> Result:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Check a package.

    key   fingerprint of the key it must be signed with; "" for any
    told  called with the number of bytes just read
    """
    found = Result()
    try:
        with Path(path).open("rb") as file:
            package = Package(file, told)
            package.walk()
            manifest = _manifest(package)
            found.key = _signature(package, manifest, key)
            _listed(package, manifest)
            found.manifest = manifest
            found.counts["records"] = _chain(package, "events.jsonl", "events-chain.jsonl")
            found.counts["audit"] = _chain(package, "audit.jsonl", "audit-chain.jsonl")
            found.counts["segments"], found.notes = _video(package)
    except Mismatch as mismatch:
        found.fault = str(mismatch)
    except OSError as error:
        found.fault = f"{path}: 无法读取 it cannot be read: {error.strerror}"
    return found


def wanted_key(told: str) -> str:
    """Return the fingerprint that was meant: itself, or that of a PEM file. Raises ValueError."""
    plain = told.replace(":", "").strip().lower()
    if plain[:6] == "sha256":
        plain = plain[6:]
    if _HEX64.fullmatch(plain):
        return plain
    try:
        with Path(told).open("rb") as file:
            return fingerprint(key_of(file.read(4096)))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{told}: 既不是指纹也不是公钥文件 no fingerprint, no key: {error}"
        ) from error


def report(found: Result, *, with_key: bool) -> list[str]:
    """Return lines for people."""
    if found.fault is not None:
        return [f"不符 NOT GOOD: {plain(found.fault)}"]
    manifest = found.manifest
    lines = [
        "完好 GOOD: 自签署以来未被改动 unchanged since it was signed",
        f"  编号 id        {plain(manifest.get('id'))}",
        f"  学校 site      {plain(manifest.get('site'))} {plain(manifest.get('gateway'))}",
        f"  内容 about     {plain(manifest.get('asked'))}",
        f"  导出 made      {plain(manifest.get('made_at'))} {plain(manifest.get('by'))}",
        f"  事由 reason    {plain(manifest.get('reason'))}",
        f"  数量 contents  {found.counts}",
        f"  密钥 key       {found.key}",
    ]
    lines += [f"  注意 note      {plain(note)}" for note in found.notes]
    missing = manifest.get("missing")
    if isinstance(missing, list):
        lines += [f"  缺少 missing   {plain(entry)}" for entry in missing[:50]]
    if not with_key:
        lines.append(
            "  只证明未改动。由谁签署：与学校另行提供的密钥指纹核对，或用 --key 指纹|公钥文件\n"
            "  This proves integrity only. To know who signed, compare the key's fingerprint with\n"
            "  the one the school gave you by another way, or use --key FINGERPRINT|FILE"
        )
    return lines


def plain(value: object, most: int = 400) -> str:
    """Return text for a terminal: what steers one is shown as a question mark."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else "?" for char in text)[:most]


def main(arguments: list[str], own: str) -> int:
    """Run from the command line. own is the path this was started from; 0 good, 1 not, 2 usage."""
    rest, key = list(arguments), ""
    if "--key" in rest:
        at = rest.index("--key")
        told = rest[at + 1 : at + 2]
        del rest[at : at + 2]
        try:
            key = wanted_key(told[0] if told else "")
        except ValueError as error:
            sys.stderr.write(f"--key: {error}\n")
            return 2
    inside = not own.endswith(".py") and Path(own).is_file()
    if len(rest) > 1 or (not rest and not inside) or any(word[:2] == "--" for word in rest):
        sys.stderr.write("用法 usage: python3 PACKAGE | python3 verifier.py PACKAGE [--key …]\n")
        return 2
    found = check(rest[0] if rest else own, key)
    for line in report(found, with_key=bool(key)):
        sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
    return 0 if found.fault is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.argv[0]))
