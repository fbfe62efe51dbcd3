"""Run one real broker for a while."""

import argparse
import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

from simulators.brokers import Broker, Mosquitto, NatsMqtt


async def _serve(broker: Broker, for_s: float) -> None:
    async with broker:
        print(f"{broker.name}: {broker.address.url}", flush=True)
        await asyncio.sleep(for_s)


def main() -> None:
    """Run one broker for a while: python -m simulators.brokers mosquitto --port 1883."""
    parser = argparse.ArgumentParser(prog="simulators.brokers", description=__doc__)
    parser.add_argument("kind", choices=["mosquitto", "nats"])
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--folder", type=Path, help="数据目录 / where it keeps its files")
    parser.add_argument("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, suppress(KeyboardInterrupt):
        folder = options.folder or Path(scratch)
        broker = (
            Mosquitto(folder, port=options.port)
            if options.kind == "mosquitto"
            else NatsMqtt(folder, options.port)
        )
        asyncio.run(_serve(broker, options.for_s))


if __name__ == "__main__":
    main()
