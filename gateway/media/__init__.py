"""Pictures and sound as bytes: NAL units, parameter sets, fragmented MP4. Pure.

Read tracks.py (what a track is), timing.py (times), fmp4.py (writing), scan.py (reading back).
"""

from gateway.media.boxes import Box, campus_box, read_boxes, read_campus_box
from gateway.media.errors import Unreadable
from gateway.media.fmp4 import Run, Sample, fragment, init_segment, rebase
from gateway.media.scan import FragmentHead, RunHead, Scan, read_seal, scan
from gateway.media.timing import Timing, in_decode_order
from gateway.media.tracks import Codec, Track, merged

__all__ = [
    "Box",
    "Codec",
    "FragmentHead",
    "Run",
    "RunHead",
    "Sample",
    "Scan",
    "Timing",
    "Track",
    "Unreadable",
    "campus_box",
    "fragment",
    "in_decode_order",
    "init_segment",
    "merged",
    "read_boxes",
    "read_campus_box",
    "read_seal",
    "rebase",
    "scan",
]
