"""Press a simulated device on a real broker."""

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path

from simulators.buttons import EIGHT_HOURS_S, FAMILIES, GARBAGE, Hand, make
from simulators.mqtt import Address, Publisher


async def _play(options: argparse.Namespace) -> None:
    password = options.password_file.read_text("utf-8").strip() if options.password_file else None
    address = Address(
        host=options.host, port=options.port, username=options.username, password=password
    )
    offset_s = EIGHT_HOURS_S if options.wrong_clock else 0.0
    device = make(options.family, options.name, clock_offset_s=offset_s)
    client_id = f"simulated-{options.name}".replace("/", "-")
    async with Publisher(address, client_id=client_id, will=device.will) as publisher:
        hand = Hand(device, publisher)
        await hand.say(device.online(up=True))
        for number in range(options.count):
            if number:
                await asyncio.sleep(options.every_s)
            await _once(hand, options)
        print(f"broker accepted {publisher.accepted_count}", flush=True)


async def _once(hand: Hand, options: argparse.Namespace) -> None:
    if options.what == "double":
        await hand.double_press()
    elif options.what == "duplicate":
        await hand.press_duplicated()
    elif options.what == "retained":
        await hand.leave_retained()
    elif options.what == "fade":
        await hand.fade()
    elif options.what == "stuck":
        await hand.stick(options.rate_per_s, options.every_s)
    elif options.what == "garbage":
        await hand.babble(options.garbage)
    elif options.what == "alive":
        await hand.say(hand.device.alive())
    else:
        await hand.press()
        await hand.release()
    print(f"{hand.device.family} {hand.device.name}: {options.what}", flush=True)


def main() -> None:
    """Parse the command line and press."""
    parser = argparse.ArgumentParser(prog="simulators.buttons", description=__doc__)
    families = ", ".join(FAMILIES)
    parser.add_argument(
        "what",
        nargs="?",
        default="press",
        choices=["press", "double", "duplicate", "retained", "fade", "stuck", "garbage", "alive"],
    )
    parser.add_argument("--family", default="json-button", help=f"{families}; NETWORK+gs101 …")
    parser.add_argument("--name", default="btn-1", help="设备名 / as its topics have it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--count", type=int, default=1, help="次数 / how often")
    parser.add_argument("--every-s", type=float, default=1.0, help="间隔秒数 / pause, or stuck for")
    parser.add_argument("--rate-per-s", type=float, default=100.0, help="stuck: presses a second")
    parser.add_argument("--garbage", choices=sorted(GARBAGE), default="not-json")
    parser.add_argument("--wrong-clock", action="store_true", help="时钟快 8 小时 / 8 h off")
    with suppress(KeyboardInterrupt):
        asyncio.run(_play(parser.parse_args()))


if __name__ == "__main__":
    main()
