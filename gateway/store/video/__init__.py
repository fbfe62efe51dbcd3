"""Video on disk: segments, their index, holds, retention. ../FORMAT.md ("Video") specifies it."""

from gateway.store.video.holds import Hold, Released, holds_of, released_since
from gateway.store.video.proof import Forecast, Proof, forecast, prove
from gateway.store.video.reader import VideoReader
from gateway.store.video.recover import Recovered, recover
from gateway.store.video.retention import Expired, Refused, Retention, RoomPlan
from gateway.store.video.segment import Facts, Segment
from gateway.store.video.store import NoVolume, VideoStore
from gateway.store.video.timeline import Gap, Located, Span, Timeline
from gateway.store.video.verify import verify
from gateway.store.video.volumes import State, Volume, Volumes
from gateway.store.video.writer import SegmentWriter

__all__ = [
    "Expired",
    "Facts",
    "Forecast",
    "Gap",
    "Hold",
    "Located",
    "NoVolume",
    "Proof",
    "Recovered",
    "Refused",
    "Released",
    "Retention",
    "RoomPlan",
    "Segment",
    "SegmentWriter",
    "Span",
    "State",
    "Timeline",
    "VideoReader",
    "VideoStore",
    "Volume",
    "Volumes",
    "forecast",
    "holds_of",
    "prove",
    "recover",
    "released_since",
    "verify",
]
