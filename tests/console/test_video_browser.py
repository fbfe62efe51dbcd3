"""A real browser plays what we send: over borders of segments, to the last picture, and back."""

from pathlib import Path

import pytest

from tests.clocks import NOON, SECOND
from tests.console.browser import page
from tests.console.test_video_address import address
from tests.console.video_rig import rig
from tests.playback.film import GROUP_NS

PLAY = """
new Promise((done) => {
  document.body.style.margin = 0;
  const video = document.createElement('video');
  video.muted = true; video.width = 640; video.height = 360; video.style.display = 'block';
  const told = (why) => done({
    why, at: video.currentTime, length: video.duration,
    error: video.error && video.error.message,
  });
  video.onended = () => told('ended');
  video.onerror = () => told('error');
  video.src = %r;
  document.body.replaceChildren(video);
  window.video = video;
  video.play().catch((error) => told(String(error)));
})
"""
SEEK = """
new Promise((done) => {
  video.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(
    () => done(video.currentTime)));
  video.currentTime = %f;
})
"""


@pytest.mark.timeout(180)
async def test_chromium_plays_a_range_over_borders_and_finds_every_place_in_it(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it, page(tmp_path) as browser:
        await it.film.segments(3)
        from_ns, to_ns = NOON + 3 * GROUP_NS, NOON + 13 * GROUP_NS
        url = await address(it, **it.range(from_ns, to_ns))
        told = await browser.run(PLAY % (it.url + url))
        assert (told["why"], told["error"]) == ("ended", None)
        assert abs(told["length"] - (to_ns - from_ns) / SECOND) < 0.05
        assert await browser.number() == 129, "the last picture of the range"
        for seconds, number in ((0.5, 42), (2.9, 102), (1.02, 55)):
            await browser.run(SEEK % (seconds + 0.005))
            assert await browser.number() == number
        [entry] = it.trail
        assert entry.details["medium"] == "video.mp4"
