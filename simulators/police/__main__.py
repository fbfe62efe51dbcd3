"""Run the police receiver as a process of its own."""

import argparse
import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from simulators.inbox import Inbox
from simulators.police import Control, Police, ServerTls


def _progress(text: str) -> list[tuple[str, float]]:
    """Read accepted=1,dispatched=3,closed=30."""
    pairs = [part.split("=") for part in text.split(",") if part]
    return [(state, float(after_s)) for state, after_s in pairs]


async def _serve(options: argparse.Namespace) -> None:
    secret = options.secret_file.read_text("utf-8").strip() if options.secret_file else None
    token = options.token_file.read_text("utf-8").strip() if options.token_file else None
    tls = (
        ServerTls(cert=options.cert, key=options.key, client_ca=options.ca)
        if options.cert
        else None
    )
    police = Police(
        secret=secret,
        inbox=Inbox(options.inbox),
        port=options.port,
        tls=tls,
        batches=options.batches,
        strict=options.strict,
        progress=options.progress,
        reports_to=options.reports_to,
        token=token,
    )
    async with police:
        control = Control(police, options.control_port)
        await control.start()
        print(f"公安接收端 / police receiver: {police.url}", flush=True)
        print(f"控制端口 / control: {control.url}", flush=True)
        try:
            await asyncio.sleep(options.for_s)
        finally:
            await control.stop()
            for problem in police.inbox.problems:
                print(problem, file=sys.stderr)


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="simulators.police", description=__doc__)
    parser.add_argument("--port", type=int, default=8110)
    parser.add_argument("--control-port", type=int, default=8111)
    parser.add_argument("--secret-file", type=Path, help="whsec_ 密钥文件 / the shared secret")
    parser.add_argument("--inbox", type=Path, help="收到的记录写到这里 / what came in, one a line")
    parser.add_argument("--cert", type=Path, help="TLS")
    parser.add_argument("--key", type=Path)
    parser.add_argument("--ca", type=Path, help="要求客户端证书 / demand client certificates of it")
    parser.add_argument(
        "--batches", action="store_true", help="接受批量 / take CloudEvents batches"
    )
    parser.add_argument(
        "--strict", action="store_true", help="不合约定即拒 / 400 for broken records"
    )
    parser.add_argument("--progress", type=_progress, default=[], metavar="STATE=SECONDS,…")
    parser.add_argument("--reports-to", help="网关地址 / the gateway's API, for later receipts")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--for-s", type=float, default=3600.0, help="运行秒数 / seconds to run")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
