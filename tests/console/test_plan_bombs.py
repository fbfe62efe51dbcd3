"""Files that ask for far more than they are: refused, and the alarms hardly notice.

What is measured is that process's own time on the processor and its memory, whatever else the
machine does: both go to a child, which is ended.
"""

import asyncio
import base64
import io
import resource
import struct
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.console.tokens import Role
from gateway.plan_pictures import SIZE_MOST
from tests.console.test_plans import PLANS, serving
from tests.test_plan_pictures import HEAD, chunk, svg

MOST = SIZE_MOST - 400
OURS_S = 2.0
"""Of the processor, in the process of the alarms, for one upload; in a thread or in the loop."""
OURS_BYTES = 120 * 1024 * 1024
"""Ten megabytes come in pieces, are put together, and are given to the child."""
HEADER = b"\x89PNG\r\n\x1a\n"


def _png(*chunks: bytes, side: int = 40) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return HEADER + head + b"".join(chunks) + chunk(b"IEND", b"")


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    whole = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join(whole) + packer.flush()


def _nested(paint: str) -> bytes:
    """Ten that are painted with ten that are painted with ten …: seven times."""
    rects = "".join('<rect width="9" height="9"/>' for _ in range(10))
    inner = "".join(
        f'<pattern id="p{at}" width="9" height="9">'
        + paint.format(at=at - 1, rects=rects)
        + "</pattern>"
        for at in range(1, 9)
    )
    return svg(f'<pattern id="p0" width="9" height="9">{rects}</pattern>{inner}<g>'
               + paint.format(at=8, rects=rects) + "</g>")  # fmt: skip


def _use(name: str) -> str:
    return f'<use href="#{name}"/>'


def _image(content: bytes) -> str:
    return f'<image href="data:image/png;base64,{base64.b64encode(content).decode()}"/>'


LETTERS = list(pairwise("abcdefghij"))


def _declared(entities: str) -> bytes:
    return f"<!DOCTYPE svg [{entities}]>{HEAD}><text>&j;</text></svg>".encode()


BOMBS: dict[str, Callable[[int], bytes]] = {
    "a png of 30000 by 30000": lambda _: _png(chunk(b"IDAT", _zeros(1 << 22)), side=30_000),
    "such a png in an svg": lambda _: svg(_image(_png(side=30_000))),
    "a hundred large pngs in an svg": lambda _: svg(_image(_png(side=1_000)) * 100),
    "a profile of a gigabyte": lambda part: _png(
        chunk(b"iCCP", b"x\0\0" + _zeros((1 << 30) // part))
    ),
    "a text of a gigabyte": lambda part: _png(chunk(b"zTXt", b"x\0\0" + _zeros((1 << 30) // part))),
    "a million empty chunks": lambda part: _png(
        chunk(b"tEXt", b"") * (MOST // 12 // (part // 4 + 1) - 9)
    ),
    "a png that moves": lambda _: _png(chunk(b"acTL", struct.pack(">II", 9_000, 0))),
    "half a png": lambda _: _png(chunk(b"IDAT", _zeros(1 << 20)))[:-20],
    "a billion laughs": lambda _: _declared(
        '<!ENTITY a "ha">' + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in LETTERS)
    ),
    "an entity from elsewhere": lambda _: _declared('<!ENTITY j SYSTEM "file:///etc/passwd">'),
    "a million attributes": lambda _: svg(
        "<g " + " ".join(f'a{n:x}=""' for n in range(MOST // 10)) + "/>"
    ),
    "a view box of a million numbers": lambda part: svg(
        "", f'viewBox="{"11 " * (MOST // 3 // part)}"'
    ),
    "what doubles sixty thousand times": lambda part: svg(
        "".join(f'<g id="n{n}">{_use(f"n{n - 1}") * 2}</g>' for n in range(1, 60_000 // part))
    ),
    "ninety thousand of ninety thousand": lambda part: svg(
        f'<g id="a">{_use("x") * (90_000 // part)}</g><g id="x"/>{_use("a") * (90_000 // part)}'
    ),
    "patterns of patterns": lambda _: _nested('<g fill="url(#p{at})">{rects}</g>'),
    "patterns of patterns by style": lambda _: _nested(
        "<g style=\"stroke: uRl( '#p{at}')\">{rects}</g>"
    ),
    "patterns of patterns by a sheet": lambda _: _nested("<g>{rects}</g>").replace(
        b"</svg>",
        b"<style>"
        + b"".join(b"#p%d rect{fill:url(#p%d)}" % (n, n - 1) for n in range(1, 9))
        + b"</style></svg>",
    ),
    "a pattern by another name": lambda _: svg('<g style="--a:1"><rect fill="var(--a)"/></g>'),
}
"""By how much smaller they are than they could be. PDFs: tests/test_plan_pages.py."""


@pytest.mark.parametrize(
    "part", [16, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
async def test_no_bomb_is_taken_and_none_costs_the_alarms_their_time_or_memory(
    tmp_path: Path, part: int
) -> None:
    async with serving(tmp_path) as planned:
        for name, made in BOMBS.items():
            content = await asyncio.to_thread(made, part)
            assert len(content) <= SIZE_MOST, name
            spent_s, held = time.process_time(), _peak_bytes()
            answer = await planned.post(
                PLANS,
                Role.INSTALLER,
                params={"name": "x", "version": "0"},
                data=io.BytesIO(content),
            )
            spent_s, held = time.process_time() - spent_s, _peak_bytes() - held
            assert (answer.status, b"bad_picture" in answer.body) == (422, True), name
            assert spent_s < OURS_S, name
            assert held < OURS_BYTES, name
        assert (await planned.get(PLANS)).json()["plans"] == []


async def test_fifty_megabytes_are_not_even_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as planned:
        held = _peak_bytes()
        answer = await planned.raw(
            f"POST {PLANS}?name=x&version=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {planned.tokens[Role.INSTALLER]}\r\n"
            f"Content-Length: {50 << 20}\r\nConnection: close\r\n\r\n".encode()
        )
        assert b" 413 " in answer.split(b"\r\n", 1)[0]
        assert _peak_bytes() - held < 1 << 23


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
