"""The description of a stream (RFC 4566, with fmtp lines of RFC 6184, 7798 and 3640)."""

import base64

from simulators.cameras.clip import VIDEO_PAYLOAD_TYPE, Clip
from simulators.cameras.sound import Sound, Track


def describe(name: str, clip: Clip, track: Track | None, *, padding_bytes: int = 0) -> bytes:
    """Return the body of an answer to DESCRIBE; padding makes it so much longer."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        f"s={name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    line = "a=x-nothing:" + "0123456789" * 10
    lines += [line] * -(-padding_bytes // (len(line) + 2))
    lines += [
        f"m=video 0 RTP/AVP {VIDEO_PAYLOAD_TYPE}",
        f"b=AS:{clip.shape.kbit_per_s}",
        *_video(clip),
        f"a=framerate:{clip.shape.fps}",
        "a=control:trackID=0",
    ]
    if track is not None:
        lines += [f"m=audio 0 RTP/AVP {track.payload_type}", *_audio(track), "a=control:trackID=1"]
    return ("\r\n".join(lines) + "\r\n").encode()


def _video(clip: Clip) -> list[str]:
    kind = VIDEO_PAYLOAD_TYPE
    sets = [base64.b64encode(unit).decode() for unit in clip.sets]
    if clip.shape.codec == "h264":
        level = clip.sets[0][1:4].hex().upper()
        return [
            f"a=rtpmap:{kind} H264/90000",
            f"a=fmtp:{kind} packetization-mode=1;profile-level-id={level};"
            f"sprop-parameter-sets={','.join(sets)}",
        ]
    return [
        f"a=rtpmap:{kind} H265/90000",
        f"a=fmtp:{kind} sprop-vps={sets[0]}; sprop-sps={sets[1]}; sprop-pps={sets[2]}",
    ]


def _audio(track: Track) -> list[str]:
    kind = track.payload_type
    if track.sound is not Sound.AAC:
        return [f"a=rtpmap:{kind} {track.sound.upper()}/{track.rate_hz}"]
    return [
        f"a=rtpmap:{kind} MPEG4-GENERIC/{track.rate_hz}/1",
        f"a=fmtp:{kind} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
        f"indexdeltalength=3;config={track.config.hex().upper()}",
    ]
