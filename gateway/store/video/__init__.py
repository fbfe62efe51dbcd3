"""Video on disk: segments, their index, holds, retention. ../FORMAT.md ("Video") specifies it."""

from gateway.store.video.reader import VideoReader
from gateway.store.video.segment import Facts, Segment, SegmentWriter
from gateway.store.video.store import NoVolume, VideoStore
from gateway.store.video.timeline import Gap, Located, Span, Timeline
from gateway.store.video.volumes import State, Volume, Volumes

__all__ = [
    "Facts",
    "Gap",
    "Located",
    "NoVolume",
    "Segment",
    "SegmentWriter",
    "Span",
    "State",
    "Timeline",
    "VideoReader",
    "VideoStore",
    "Volume",
    "Volumes",
]
