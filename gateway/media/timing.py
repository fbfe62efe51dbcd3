"""From presentation times in the order of decoding to what a fragment writes down.

A camera says when a picture is shown and sends pictures in the order in which they are decoded;
MP4 wants a decode time that only grows, a duration, and the way from there to the presentation.

Owns    in_decode_order.
Needs   nothing of ours.
Keeps   1. Decode time + offset is the presentation time, always and exactly.
        2. Decode times grow by at least one tick; where every picture is shown after the one before
           it they are the presentation times and every offset is 0.
        3. No picture is decoded after it is shown, unless `after` leaves no choice (a camera whose
           clock went back: whoever records should have cut there).
"""

from collections.abc import Sequence
from typing import NamedTuple


class Timing(NamedTuple):
    """Of one sample, in ticks: decode time, duration (to the next decode time), offset (signed)."""

    decode: int
    duration: int
    offset: int


def in_decode_order(presented: Sequence[int], end: int, *, after: int = 0) -> list[Timing]:
    """Give each picture of a fragment its place.

    presented  presentation times in the order of arrival, in ticks; a whole group of pictures
    end        presentation time of what comes next (the key picture after it), for the last
               duration; taken as one tick behind the last picture when it is not later
    after      no decode time is below this: the last fragment's end
    returns    one Timing for each, in the same order

    Each picture is decoded as late as it can be: when it is shown, or a tick before the picture
    that needs it. So nothing is shifted against sound, no edit list is needed, and offsets are not
    negative, which ffmpeg would turn into a shift of the whole track.
    """
    decode: list[int] = []
    latest = end
    for time in reversed(presented):
        latest = min(time, latest - 1) if decode else time
        decode.append(latest)
    decode.reverse()
    for index, time in enumerate(decode):
        if time >= after:
            break
        decode[index], after = after, after + 1
    ends = [*decode[1:], max(end, decode[-1] + 1)] if decode else []
    return [
        Timing(at, until - at, shown - at)
        for at, until, shown in zip(decode, ends, presented, strict=True)
    ]
