"""What we write, ffmpeg's demuxer and decoders read frame for frame, tick for tick."""

import io
import struct

import av
import numpy as np
import pytest

from gateway.media import (
    Run,
    Sample,
    Track,
    Unreadable,
    fragment,
    init_segment,
    rebase,
    scan,
)
from gateway.media.nal import join_lengths
from gateway.media.tracks import aac, g711_track, video
from tests.media.clips import FRAME, Clip, clip, decoded, demuxed, reference, samples, segment

UNEVEN = (FRAME, FRAME // 2, 2 * FRAME, 1, 777)
CLIPS = {
    "h264": lambda: clip("h264"),
    "h264, B-frames": lambda: clip("h264", b_frames=3),
    "h264, uneven": lambda: clip("h264", durations=UNEVEN),
    "h264, uneven B-frames in a pyramid": lambda: clip(
        "h264", b_frames=3, durations=UNEVEN, extra=":b-pyramid=normal"
    ),
    "h264, open groups": lambda: clip("h264", b_frames=2, extra=":open-gop=1"),
    "h264, several slices": lambda: clip("h264", extra=":slices=4"),
    "h265": lambda: clip("h265"),
    "h265, B-frames": lambda: clip("h265", b_frames=3, extra=":open-gop=0"),
    "h265, open groups": lambda: clip("h265", b_frames=3, extra=":open-gop=1"),
    "h265, uneven": lambda: clip("h265", durations=UNEVEN),
}


@pytest.fixture(params=CLIPS)
def any_clip(request: pytest.FixtureRequest) -> Clip:
    made: Clip = CLIPS[request.param]()
    return made


def test_every_picture_comes_back_at_its_time_and_none_more(any_clip: Clip):
    init, fragments = segment(any_clip)

    assert len(fragments) == len(any_clip.keys) >= 5
    assert decoded(init + b"".join(fragments)) == reference(any_clip)


def test_the_demuxer_sees_our_times_to_the_tick(any_clip: Clip):
    init, fragments = segment(any_clip)

    seen = demuxed(init + b"".join(fragments))

    assert [pts for pts, _, _, _ in seen] == list(any_clip.presented)
    decode = [dts for _, dts, _, _ in seen]
    assert decode == sorted(set(decode)), "decode times only grow"
    assert [at for at, row in enumerate(seen) if row[3]] == any_clip.keys


def test_pictures_without_reordering_are_decoded_when_they_are_shown():
    init, fragments = segment(clip("h264", durations=UNEVEN))

    assert all(pts == dts for pts, dts, _, _ in demuxed(init + b"".join(fragments)))


def test_a_file_that_begins_with_any_fragment_plays_from_there():
    part = clip("h264", b_frames=2)
    init, fragments = segment(part)
    skipped = part.keys[2]

    seen = decoded(init + b"".join(fragments[2:]))

    first = part.presented[skipped]
    assert seen == [row for row in reference(part) if row[0] >= first]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_file_says_the_size_that_is_seen(codec):
    part = clip(codec, width=166, height=90, frames=12)  # neither is a multiple of 16
    init, fragments = segment(part)

    with av.open(io.BytesIO(init + b"".join(fragments)), format="mp4") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (166, 90)
        assert (part.track.width, part.track.height) == (166, 90)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_decoder_set_up_by_the_head_alone_needs_no_parameter_sets_in_the_pictures(codec):
    part = clip(codec)
    sets = set(part.parameter_sets)
    bare = Clip(
        part.codec,
        part.width,
        part.height,
        tuple(tuple(nal for nal in unit if nal not in sets) for unit in part.units),
        part.presented,
    )
    pieces = []
    for number, group in enumerate(part.groups(), 1):
        base, taken = samples(bare, group, part.presented[group.stop - 1] + FRAME)
        pieces.append(fragment(number, [Run(1, base, taken)]))

    assert decoded(init_segment([part.track]) + b"".join(pieces)) == reference(part)


def test_segments_are_joined_into_one_stream_without_encoding_again():
    part = clip("h264", b_frames=2)
    init, first = segment(part)
    _, second = segment(part)  # a segment of its own: its times begin at 0 again
    length = max(part.presented) + FRAME
    groups = part.groups()
    rebased = [
        rebase(data, len(first) + number, {1: length + part.presented[group.start]})
        for number, (data, group) in enumerate(zip(second, groups, strict=True), 1)
    ]

    joined = init + b"".join(first) + b"".join(rebased)

    once = reference(part)
    assert decoded(joined) == once + [(time + length, what) for time, what in once]
    heads = scan(io.BytesIO(joined), check=True)
    assert heads.torn is None
    assert [head.sequence for head in heads.fragments] == list(range(1, 2 * len(first) + 1))


def test_rebasing_touches_nothing_but_number_and_times():
    _, (data, *_) = segment(clip("h264"))

    moved = rebase(data, 0x01020304, {1: 0x0102030405060708, 9: 1})

    changed = [at for at, (a, b) in enumerate(zip(data, moved, strict=True)) if a != b]
    assert len(changed) == 4 + 8
    assert rebase(moved, 1, {1: 0}) == rebase(data, 1, {1: 0})


def test_rebasing_what_is_no_fragment_says_so():
    with pytest.raises(Unreadable, match="not a fragment"):
        rebase(init_segment([clip("h264").track]), 1, {})


# Sound.


def sound(codec: str, seconds: int = 2) -> tuple[Track, list[bytes], list[int]]:
    """A track, its access units, and how long each lasts."""
    rate_hz = 8000 if codec.startswith("pcm_") else 16000
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout = rate_hz, "mono"
    encoder.format = "fltp" if codec == "aac" else "s16"
    wave = (np.sin(np.arange(rate_hz * seconds) / 9) * 8000).astype(np.int16)
    step = 1024 if codec == "aac" else 320
    packets = []
    encoder.open()
    for at in range(0, len(wave) - step + 1, step):
        chunk = wave[at : at + step].reshape(1, -1)
        if codec == "aac":
            frame = av.AudioFrame.from_ndarray(
                (chunk / 32768).astype(np.float32), format="fltp", layout="mono"
            )
        else:
            frame = av.AudioFrame.from_ndarray(chunk, format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, at
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    if codec == "aac":
        assert encoder.extradata is not None
        return aac(encoder.extradata), [bytes(p) for p in packets], [1024] * len(packets)
    track = g711_track("pcma" if codec == "pcm_alaw" else "pcmu")
    return track, [bytes(p) for p in packets], [len(bytes(p)) for p in packets]


@pytest.mark.parametrize("codec", ["aac", "pcm_alaw", "pcm_mulaw"])
def test_sound_beside_pictures_comes_back_byte_for_byte(codec):
    part = clip("h264", b_frames=1)
    track, packets, lasting = sound(codec)
    heard = [Sample(data, ticks) for data, ticks in zip(packets, lasting, strict=True)]
    base, seen = samples(part, slice(0, len(part.units)), max(part.presented) + FRAME)
    data = init_segment([part.track, track]) + fragment(1, [Run(1, base, seen), Run(2, 0, heard)])

    assert decoded(data) == reference(part)
    with av.open(io.BytesIO(data), format="mp4") as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name.removesuffix("float") in {codec, "aac"}
        assert (stream.rate, stream.channels) == (track.clock_rate, 1)
        back = [(int(p.dts or 0), bytes(p)) for p in container.demux(stream) if p.size]
    with av.open(io.BytesIO(data), format="mp4") as container:
        frames = sum(frame.samples for frame in container.decode(audio=0))
    # ffmpeg hands PCM over in pieces of its own; the bytes and the time they begin are what counts.
    assert b"".join(bytes_ for _, bytes_ in back) == b"".join(packets)
    assert back[0][0] == 0
    assert frames == sum(lasting)


def test_sound_alone_can_be_a_fragment_and_an_empty_run_is_left_out():
    track, packets, lasting = sound("aac")
    heard = [Sample(data, ticks) for data, ticks in zip(packets, lasting, strict=True)]
    data = init_segment([clip("h264").track, track])
    data += fragment(1, [Run(1, 0, []), Run(2, 0, heard)])

    assert list(scan(io.BytesIO(data), check=True).fragments[0].runs) == [2]


# Bounds.


def test_a_fragment_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 samples"):
        fragment(1, [Run(1, 0, [])])


def test_a_fragment_with_too_many_samples_is_refused():
    with pytest.raises(ValueError, match="65537 samples"):
        fragment(1, [Run(1, 0, [Sample(b"x", 1)] * 65537)])


def test_a_track_that_does_not_say_enough_begins_no_file():
    for track in (video("h264", 90_000), video("h265", 90_000, clip("h265").parameter_sets[:1])):
        with pytest.raises(Unreadable, match="no parameter sets yet"):
            init_segment([track])


def test_decode_times_beyond_32_bits_are_kept():
    part = clip("h264")
    far = 1 << 40
    init, fragments = segment(part, shift=far)

    assert [t - far for t, _ in decoded(init + b"".join(fragments))] == sorted(part.presented)
    runs = scan(io.BytesIO(init + b"".join(fragments))).fragments[0].runs
    assert runs[1].base_decode_time == far + part.presented[0]


def test_a_fragment_holds_its_samples_as_they_were_given():
    data = fragment(1, [Run(1, 5, [Sample(join_lengths([b"abc"]), 7), Sample(b"de", 9)])])

    assert data.endswith(struct.pack(">I4s", 8 + 9, b"mdat") + b"\0\0\0\3abcde")
