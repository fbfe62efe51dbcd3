"""The first hour of a gateway that others reach: code, certificate, admin, guard, duress."""

import asyncio
import re
import signal
import ssl
import sys
from pathlib import Path

import aiohttp

from simulators.ports import free_port

PATIENCE_S = 120.0
GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
[store]
path = "data"
[console]
listen = "0.0.0.0:{port}"
"""


class Service:
    """`campus-gateway run` as a process, and what it printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    async def until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while (found := re.search(pattern, self.said)) is None:
                line = await self.process.stdout.readline()
                assert line, f"it never said {pattern!r}:\n{self.said}"
                self.said += line.decode()
        return found[1]

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            rest, _ = await self.process.communicate()
        self.said += rest.decode()


async def test_from_the_printed_code_to_a_silent_alarm_over_its_own_tls(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "gateway.toml").write_text(GATEWAY.format(port=port))
    (tmp_path / "devices.toml").write_text("")
    service = Service(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", "run", "--config", str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    )
    base = f"https://127.0.0.1:{port}/api/v1"
    jars = [aiohttp.CookieJar(unsafe=True) for _ in range(2)]
    try:
        code = await service.until(r"first code\s+(\d{5} \d{5})")
        fingerprint = await service.until(r"((?:[0-9A-F]{2}:){31}[0-9A-F]{2})")
        await service.until(r"(console listens)")
        trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls" / "console.pem"))
        async with (
            aiohttp.ClientSession(cookie_jar=jars[0], raise_for_status=True) as admin,
            aiohttp.ClientSession(cookie_jar=jars[1], raise_for_status=True) as guard,
        ):
            async with admin.get(f"{base}/session/people", ssl=trust) as answer:
                told = await answer.json()
            assert (told["people"], told["on_duty"], told["is_first"]) == ([], [], True)
            assert told["fingerprint"] == fingerprint
            first = {"code": code, "name": "校长", "secret": "correct horse"}
            async with admin.post(f"{base}/session/first", json=first, ssl=trust) as answer:
                proof = {"X-CSRF-Token": (await answer.json())["csrf"]}
                assert all("Secure" in one for one in answer.headers.getall("Set-Cookie"))
            new = {"name": "张三", "role": "guard", "secret": "2580", "duress": "2769"}
            async with admin.post(f"{base}/people", json=new, headers=proof, ssl=trust):
                pass
            forced = {"name": "张三", "secret": "2769"}
            async with guard.post(f"{base}/session", json=forced, ssl=trust):
                pass
            async with admin.get(f"{base}/alarms", ssl=trust) as answer:
                assert [row["kind"] for row in (await answer.json())["alarms"]] == ["duress"]
            for path in ("alarms?state=all", "events?limit=1000", "deliveries", "faults"):
                async with guard.get(f"{base}/{path}", ssl=trust) as answer:
                    assert "duress" not in await answer.text(), path
    finally:
        await service.stop()
    assert service.process.returncode == 0, service.said
    assert not any(word in service.said for word in ("duress", "胁迫", "2769", "2580", "horse"))
