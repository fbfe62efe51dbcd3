"""A recorder to be killed: `python -m tests.store.video.recorder ROOT SEGMENTS FIRST_MINUTE`.

Says `synced END_NS` when a fragment is on the disk, `sealed START_NS` when a segment is in the
index, `held ALARM` when a hold is durable, `expired` when retention has run, and does each in turn.
"""

import asyncio
import sys
from pathlib import Path

from gateway.store.video import Retention, recover
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import CAMERA, DAY, MINUTE, begin, fragment, opened


def say(*words: object) -> None:
    print(*words, flush=True)


async def work(root: Path, count: int, first: int) -> None:
    clock = FakeClock(NOON + first * MINUTE)
    async with opened(root, clock) as store:
        await recover(store)
        await store.confirm_holds()
        retention = Retention(store, days=1)
        for number in range(count):
            start_ns = clock.utc_ns()
            writer = begin(store, start_ns)
            for part in range(1, 4):
                end_ns = start_ns + part * 20 * SECOND
                assert await writer.add(fragment(end_ns // SECOND, 3000), end_ns, 500)
                await writer.flush()
                say("synced", end_ns)
            assert await writer.seal("cut")
            say("sealed", start_ns)
            if number % 4 == 1:
                await store.hold(f"alarm-{start_ns}", [CAMERA], start_ns, start_ns + SECOND)
                say("held", start_ns)
            clock.advance(60)
        clock.advance(DAY // SECOND - 60 * count // 2)  # half of it is old now
        await retention.expire()
        for _ in range(9):
            clock.advance(6 * 3600)
            await retention.expire()
            say("expired", clock.utc_ns())
    say("closed")


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
