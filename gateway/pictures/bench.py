"""Where pictures are decoded: one at a time, and an end to what hangs.

Owns    the one thread in which libav and OpenCV run in this process; the process's interval timer.
Needs   .find, .decode.
Keeps   1. One piece of work at a time: memory is that of one picture.
        2. Work that takes HANG_S ends the whole process, by the kernel (SIGALRM, no handler), even
           if it holds the interpreter's lock; the supervisor starts another.
Bound   whoever queues bounds the queue (.service: its connections).
"""

import signal
from collections.abc import Callable
from typing import Any, Final, TypeVar

from av.video.frame import VideoFrame

from gateway.pictures.decode import Jpeg, jpeg, key_picture
from gateway.pictures.errors import NoPicture
from gateway.pictures.find import Finder, Place
from gateway.store.video.workers import Workers

HANG_S: Final = 10.0

T = TypeVar("T")


class Bench:
    """Used from one event loop; close() ends its thread.

    hang_s  None: nothing ends what hangs (a process whose timer is somebody else's)
    """

    def __init__(self, finder: Finder, *, hang_s: float | None = HANG_S) -> None:
        self.finder = finder
        self._hang_s = hang_s
        self._workers = Workers("pictures-bench")

    def close(self) -> None:
        """End the thread."""
        self._workers.stop()

    async def do(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have work(*args) done at the bench: anything that decodes or judges a picture."""
        return await self._workers.run(self._watched, work, args)

    def _watched(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        if self._hang_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._hang_s)
        try:
            return work(*args)
        finally:
            if self._hang_s is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)

    async def judged(
        self, camera: str, at_ns: int | None, work: Callable[[VideoFrame], T]
    ) -> tuple[T, Place]:
        """work(key picture at or before at_ns), done at the bench, and where the picture lay.

        at_ns   None: the newest
        raises  NoPicture, PicturesDown (the disk does not answer)
        """
        places = await self.finder.places(camera, at_ns)
        why = NoPicture("there is no video of it on the disks")
        for place in places:
            group = await self.finder.read(place)
            try:
                done = await self.do(
                    lambda group=group: work(key_picture(group.init, group.fragment))
                )
            except NoPicture as error:
                why = error  # the rest of a long group, or damaged: the one before may do
            else:
                return done, place
        raise why

    async def still(
        self, camera: str, at_ns: int | None, width: int | None = None
    ) -> tuple[Jpeg, Place]:
        """The JPEG of the key picture at or before a time, and where. Raises as judged()."""
        return await self.judged(camera, at_ns, lambda frame: jpeg(frame, width))
