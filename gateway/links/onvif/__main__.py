"""Ask one camera where its streams are: `python -m gateway.links.onvif`, the recorder's child.

Owns    one question as JSON on stdin, one answer as JSON on stdout; see streams.py.
Keeps   It always answers, and with an error of one of three kinds: link (may work later), refused
        and nothing (a person has to change something).
"""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.clock import SystemClock
from gateway.errors import LinkDown
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import Information, information, services
from gateway.links.onvif.errors import Refused
from gateway.links.onvif.media import NoStream, streams
from gateway.links.onvif.settings import OnvifSettings

MAX_ASKED_CHARS: Final = 16 * 1024


async def ask(asked: dict[str, Any]) -> dict[str, Any]:
    """Return streams, sizes, model and the clock's offset, or an error and why."""
    settings = OnvifSettings(
        url=asked["url"],
        username=asked["username"],
        password=asked["password"],
        ca=None if asked["ca"] is None else Path(asked["ca"]),
    )
    try:
        async with Connection(settings, SystemClock()) as connection:
            with suppress(Refused):  # some cameras guard even their clock
                await connection.measure()
            found = await services(connection)
            chosen = await streams(connection, found, asked["channel"])
            what = Information()
            with suppress(LinkDown, Refused):  # its name is not worth a minute of video
                what = await information(connection)
            return {
                "main": chosen.main,
                "sub": chosen.sub,
                "main_size": chosen.main_size,
                "sub_size": chosen.sub_size,
                "moved": chosen.moved,
                "model": f"{what.manufacturer} {what.model} {what.firmware}".strip(),
                "offset_ms": None
                if connection.offset_ns is None
                else connection.offset_ns // 1_000_000,
            }
    except Refused as error:
        return {"error": "refused", "why": str(error)}
    except NoStream as error:
        return {"error": "nothing", "why": str(error)}
    except LinkDown as error:
        return {"error": "link", "why": str(error)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ask(json.loads(sys.stdin.read(MAX_ASKED_CHARS))))))
