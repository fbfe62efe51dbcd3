"""A process that commits until it is killed: tests.store.writer FOLDER COUNT [LIMIT_BYTES].

Prints one line for each commit that returned: "acked SEQ". LIMIT_BYTES is a file size limit; when
it is met, prints "full", gives a part of the reserve back as the intake does, and goes on.
"""

import asyncio
import resource
import sys
from pathlib import Path

from gateway.errors import StoreFull
from gateway.store import Batch, Store
from tests.store.making import RECEIVERS, START_NS, journal_of, open_alarm, seal_some


async def write(folder: Path, count: int) -> None:
    """Commit `count` batches of one to seven records, receipts for every other one."""
    store, start = await Store.open(folder, reserve_mib=1, receivers=RECEIVERS)
    print("opened", start.seq, len(start.complaints), flush=True)
    journal = journal_of(start)
    for number in range(count):
        records = seal_some(journal, 1 + number % 7, receivers=(1, 2))
        batch = Batch(records=records, alarms={a.alarm_id: a for a in map(open_alarm, records)})
        while True:
            try:
                await store.commit(batch)
            except StoreFull:
                print("full", store.reserve.release(), flush=True)
                resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
            else:
                break
        print("acked", journal.seq, flush=True)
        if number % 10 == 9:
            store.write_head(journal.seq, START_NS)
    await store.close(journal.seq, START_NS)
    print("closed", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        limit = int(sys.argv[3])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
