"""Fragmented MP4 (ISO/IEC 14496-12 and -15): what a segment begins with, and its fragments.

Owns    init_segment, fragment, rebase. Reading files is scan.py's.
Needs   tracks, boxes, h264, h265, aac.
Keeps   1. A fragment is one bytes object, `moof mdat`: whoever writes it writes once.
        2. A fragment refers to nothing outside itself (default-base-is-moof) and says the CRC-32 of
           its samples, so that a torn write shows.
        3. The track ids are 1, 2, … in the order of the tracks.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from gateway.media import aac, g711, h264, h265
from gateway.media.boxes import CHECK_UUID, box, full_box, read_boxes
from gateway.media.errors import Unreadable
from gateway.media.tracks import Track

MAX_FRAGMENT_BYTES: Final = 256 << 20
"""Of one fragment: a minute at 35 Mbit/s; a camera without key pictures is cut elsewhere."""
MAX_SAMPLES: Final = 65536
KEY_FLAGS: Final = 0x02000000
"""A sample that depends on no other (8.8.3.1)."""
OTHER_FLAGS: Final = 0x01010000
_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_EACH_SAMPLE: Final = 0x000F01
"""trun flags: data offset; duration, size, flags and composition offset of each sample."""


class Sample(NamedTuple):
    """One access unit as it goes into a file, times in ticks of its track.

    duration  to the next sample's decode time
    offset    from decode time to presentation time; may be negative
    """

    data: bytes
    duration: int
    offset: int = 0
    is_key: bool = True


class Run(NamedTuple):
    """The samples of one track in one fragment, and the decode time of the first in ticks."""

    track_id: int
    base_decode_time: int
    samples: Sequence[Sample]


def init_segment(tracks: Sequence[Track]) -> bytes:
    """`ftyp moov` for these tracks; their ids are 1, 2 and so on.

    raises  Unreadable when a track does not say enough (see Track.complete)
    """
    trex = [
        full_box(b"trex", 0, 0, struct.pack(">5I", number, 1, 0, 0, 0))
        for number in range(1, len(tracks) + 1)
    ]
    head = struct.pack(">4I", 0, 0, 1000, 0)
    sound = struct.pack(">IH10x", 0x10000, 0x100)
    tail = _MATRIX + bytes(24) + struct.pack(">I", len(tracks) + 1)
    return box(b"ftyp", b"iso6", bytes(4), b"iso6isommp41") + box(
        b"moov",
        full_box(b"mvhd", 0, 0, head, sound, tail),
        *(_trak(number, track) for number, track in enumerate(tracks, 1)),
        box(b"mvex", *trex),
    )


def fragment(sequence: int, runs: Sequence[Run]) -> bytes:
    """One fragment; runs without samples are left out.

    sequence  1, 2, … within a file
    raises    ValueError beyond MAX_SAMPLES or MAX_FRAGMENT_BYTES, or when nothing is in it
    """
    runs = [run for run in runs if run.samples]
    parts = [sample.data for run in runs for sample in run.samples]
    size = sum(map(len, parts))
    if not 0 < len(parts) <= MAX_SAMPLES or size > MAX_FRAGMENT_BYTES:
        raise ValueError(f"a fragment of {len(parts)} samples, {size} bytes")
    check = 0
    for part in parts:
        check = zlib.crc32(part, check)
    # The offsets count from the moof's first byte, so its size must be known before it is written.
    trafs = [_traf(run, 0) for run in runs]
    mark = box(b"uuid", CHECK_UUID, check.to_bytes(4, "big"))
    head = full_box(b"mfhd", 0, 0, sequence.to_bytes(4, "big"))
    at = 8 + len(head) + sum(map(len, trafs)) + len(mark) + 8
    placed: list[bytes] = []
    for run in runs:
        placed.append(_traf(run, at))
        at += sum(len(sample.data) for sample in run.samples)
    mdat = (size + 8).to_bytes(4, "big") + b"mdat"
    return b"".join((box(b"moof", head, *placed, mark), mdat, *parts))


def rebase(data: bytes, sequence: int, decode_times: Mapping[int, int]) -> bytes:
    """The same fragment with another sequence number and other decode times of its first samples.

    decode_times  by track id; a track that is not named keeps its own
    raises        Unreadable when it is not a fragment as `fragment` writes it

    For joining segments into one stream: nothing is encoded again, and no size changes.
    """
    patched = bytearray(data)
    moof = next(read_boxes(data), None)
    if moof is None or moof.kind != b"moof":
        raise Unreadable("not a fragment")
    for inner in read_boxes(data, moof.body, moof.end):
        if inner.kind == b"mfhd" and inner.end - inner.body == 8:
            struct.pack_into(">I", patched, inner.body + 4, sequence)
        elif inner.kind == b"traf":
            _rebase_traf(patched, inner.body, inner.end, decode_times)
    return bytes(patched)


def _rebase_traf(data: bytearray, start: int, end: int, decode_times: Mapping[int, int]) -> None:
    track_id = None
    for inner in read_boxes(memoryview(data), start, end):
        if inner.kind == b"tfhd" and inner.end - inner.body >= 8:
            track_id = int.from_bytes(data[inner.body + 4 : inner.body + 8], "big")
        elif inner.kind == b"tfdt" and track_id is not None and track_id in decode_times:
            if data[inner.body] != 1 or inner.end - inner.body != 12:
                raise Unreadable("a fragment whose decode times have 32 bits")
            struct.pack_into(">Q", data, inner.body + 4, decode_times[track_id])


def _traf(run: Run, data_offset: int) -> bytes:
    rows: list[int] = []
    for data, duration, offset, is_key in run.samples:
        rows += (duration, len(data), KEY_FLAGS if is_key else OTHER_FLAGS, offset & 0xFFFFFFFF)
    count = len(run.samples)
    return box(
        b"traf",
        full_box(b"tfhd", 0, 0x020000, run.track_id.to_bytes(4, "big")),
        full_box(b"tfdt", 1, 0, run.base_decode_time.to_bytes(8, "big")),
        full_box(
            b"trun", 1, _EACH_SAMPLE, struct.pack(f">II{4 * count}I", count, data_offset, *rows)
        ),
    )


def _trak(number: int, track: Track) -> bytes:
    is_video = track.kind == "video"
    # No times, id, no duration; layer 0, group 0, volume.
    tkhd = struct.pack(">8xI20xH2x", number, 0 if is_video else 0x100)
    size = struct.pack(">II", track.width << 16, track.height << 16)
    handler, name = (b"vide", b"video\0") if is_video else (b"soun", b"sound\0")
    media_head = (
        full_box(b"vmhd", 0, 1, bytes(8)) if is_video else full_box(b"smhd", 0, 0, bytes(4))
    )
    empty = (b"stts", b"stsc", b"stco")
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, (1).to_bytes(4, "big"), _entry(track)),
        *(full_box(kind, 0, 0, bytes(4)) for kind in empty),
        full_box(b"stsz", 0, 0, bytes(8)),
    )
    here = box(b"dinf", full_box(b"dref", 0, 0, (1).to_bytes(4, "big"), full_box(b"url ", 0, 1)))
    return box(
        b"trak",
        full_box(b"tkhd", 0, 3, tkhd, _MATRIX, size),
        box(
            b"mdia",
            full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, track.clock_rate, 0, 0x55C4, 0)),
            full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), name),
            box(b"minf", media_head, here, table),
        ),
    )


def _entry(track: Track) -> bytes:
    """The sample entry: how a decoder is set up."""
    if not track.complete:
        raise Unreadable(f"the {track.codec} track has no parameter sets yet")
    if track.kind == "video":
        setup = (
            (b"avc1", box(b"avcC", h264.avcc(track.parameter_sets)))
            if track.codec == "h264"
            else (b"hvc1", box(b"hvcC", h265.hvcc(track.parameter_sets)))
        )
        size = struct.pack(">HH", track.width, track.height)
        # 72 dpi both ways, one frame in a sample, no name, 24 bits, no colour table.
        rest = struct.pack(">II4xH32xHh", 0x480000, 0x480000, 1, 24, -1)
        return box(setup[0], bytes(6), b"\0\1", bytes(16), size, rest, setup[1])
    sound = struct.pack(">8xHHHHI", track.channels, 16, 0, 0, _audio_rate_hz(track) << 16)
    if track.codec == "aac":
        esds = full_box(b"esds", 0, 0, aac.descriptors(track.config))
        return box(b"mp4a", bytes(6), b"\0\1", sound, esds)
    return box(g711.BOXES[track.codec], bytes(6), b"\0\1", sound)


def _audio_rate_hz(track: Track) -> int:
    rate_hz = track.clock_rate if track.codec != "aac" else aac.parse_config(track.config).rate_hz
    return rate_hz if rate_hz <= 0xFFFF else 0  # 16.16: above that the config alone says it
