"""AudioSpecificConfig."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import Unreadable
from gateway.media.aac import parse_config

WRITTEN_OUT = f"{int(f'{2:05b}{15:04b}{16000:024b}{1:04b}000', 2):010x}"
"""A sample rate in 24 bits."""


@pytest.mark.parametrize(
    ("config", "rate_hz", "channels", "frame"),
    [
        ("1408", 16000, 1, 1024),
        ("1190", 48000, 2, 1024),
        ("1588", 8000, 1, 1024),
        ("140c", 16000, 1, 960),
        (WRITTEN_OUT, 16000, 1, 1024),
    ],
)
def test_what_cameras_say(config, rate_hz, channels, frame):
    said = parse_config(bytes.fromhex(config))

    assert (said.rate_hz, said.channels, said.frame_samples) == (rate_hz, channels, frame)
    assert said.object_type == 2


@pytest.mark.parametrize("config", ["", "14", "1400", "1678", "0c08", "ff"])
def test_what_cannot_be_decoded_is_refused(config):
    with pytest.raises(Unreadable):
        parse_config(bytes.fromhex(config))


@given(st.binary(max_size=70))
def test_any_bytes_are_read_or_unreadable(data):
    try:
        said = parse_config(data)
    except Unreadable:
        return
    assert said.rate_hz > 0
    assert 1 <= said.channels <= 8
