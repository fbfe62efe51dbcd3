"""One entry of a device's own log: what its words mean, and when it was. Pure.

Owns    [[log.value]], [[log.set]] and [log.time], compiled.
Needs   meaning.py, registers.py, rules.py.
Keeps   1. An entry whose time cannot be read costs the time, not the entry.
        2. An alarm that can be read is never lost to another part of the entry that cannot.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zlib import crc32

from gateway.events import Reading, Scalar
from gateway.profile.formula import BadFormula
from gateway.profile.meaning import Meant, Now, compile_set
from gateway.profile.notes import with_problem
from gateway.profile.path import Scope, substitute
from gateway.profile.payload import Garble, offset_of
from gateway.profile.registers import Reader, compile_reader
from gateway.profile.rules import Found
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import ClockParts, Log, Modbus


@dataclass(frozen=True, slots=True)
class LogMeaning:
    """What one entry of a log means.

    size_bytes  of one entry
    is_queue    its number says nothing: the oldest is always at the same place
    """

    name: str
    size_bytes: int
    is_queue: bool
    readers: tuple[tuple[str, Reader], ...]
    rules: tuple[Meant, ...]
    observed: Callable[[Now], int | None] | None
    historical_after_ns: int

    def decode(self, device_id: str, number: int, data: bytes, received_ns: int) -> list[Reading]:
        """Return what entry `number` says; raises Garble when it cannot be read.

        data  the entry's registers as they travel
        """
        now, problems = self._read(data)
        when = None if self.observed is None else self.observed(now)
        old = when is not None and received_ns - when > self.historical_after_ns
        scope = Scope(now, {}, {})
        readings: list[Reading] = []
        for meant in self.rules:
            found: list[Found] = []
            meant.rule(scope, found, problems)
            noted: dict[str, Scalar] = {
                name: held for name in meant.attributes if (held := now[name]) is not None
            }
            readings += [
                Reading(
                    device_id=device_id,
                    point=point,
                    received_ns=received_ns,
                    active=active,
                    value=value,
                    observed_ns=when,
                    attributes=dict(noted),
                    duplicate=self._key(number, data, when),
                    historical=old,
                )
                for point, active, value in found
            ]
        if problems and not any(reading.active for reading in readings):
            raise Garble(problems[0])
        if problems:
            for reading in readings:
                reading.attributes = with_problem(reading.attributes, problems[0])
        return readings

    def _read(self, data: bytes) -> tuple[Now, list[str]]:
        if len(data) != self.size_bytes:
            raise Garble(f"长度不对 / {len(data)} bytes where {self.size_bytes} were asked for")
        words = struct.unpack(f">{len(data) // 2}H", data)
        now: Now = {}
        problems: list[str] = []
        for name, read in self.readers:
            try:
                now[name] = read(words)
            except Garble as problem:
                now[name] = None
                problems.append(f"{name}: {problem}")
        return now, problems

    def _key(self, number: int, data: bytes, when: int | None) -> str | None:
        """By what the same entry is known when it comes twice.

        Without a time there is nothing: numbers begin anew, and two presses can look alike. How far
        a ring was read is remembered in the same transaction; an entry of a queue that was read
        again because the gateway died before it was taken off counts twice, which is better than
        a press too few.
        """
        if when is None:
            return None
        return f"{self.name}:{crc32(data) if self.is_queue else number}:{when}"


def compile_log(
    log: Log, body: ProfileFile, modbus: Modbus, words: Mapping[str, str]
) -> LogMeaning:
    """Compile one [[log]]; raises BadFormula when the device's utc_offset is none."""
    natures = {point.name: point.nature for point in body.point}
    return LogMeaning(
        name=log.name,
        size_bytes=2 * log.words,
        is_queue=log.kind == "queue",
        readers=tuple((value.name, compile_reader(value, value.at, modbus)) for value in log.value),
        rules=tuple(compile_set(rule, natures[rule.point], {}, words) for rule in log.set),
        observed=None if log.time is None else _clock(log.time, words),
        historical_after_ns=int(log.historical_after_s * 1e9),
    )


_LATEST_S: Final = 4_102_444_800
"""2100-01-01: beyond it a device's clock says nothing."""


def _clock(parts: ClockParts, words: Mapping[str, str]) -> Callable[[Now], int | None]:
    """Return what reads the device's clock; None for one that was never set or is not read."""
    if parts.unix_s is not None:
        name = parts.unix_s
        return lambda now: _from_unix(now.get(name))
    zone = UTC
    if parts.utc_offset is not None:
        offset = substitute(parts.utc_offset, words)
        try:
            zone = offset_of(offset)
        except ValueError as error:
            raise BadFormula(f"{offset}: 不是时区 / no offset from UTC like +08:00") from error
    names = (parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second)
    base = parts.year_base

    def observed(now: Now) -> int | None:
        numbers = [0 if name is None else now.get(name) for name in names]
        if not all(isinstance(number, (int, float)) for number in numbers):
            return None
        try:
            year, month, day, hour, minute, second = [int(number or 0) for number in numbers]
            year += base if year < 100 else 0
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        except (ValueError, OverflowError):
            return None
        return _from_unix(moment.timestamp())

    return observed


def _from_unix(seconds: Scalar | None) -> int | None:
    if isinstance(seconds, (int, float)) and 0 < seconds < _LATEST_S:
        return int(seconds * 1000) * 1_000_000
    return None
