"""The bad answers, byte by byte.

Keeps   Every one of them ends when the client goes away, when the server stops, or at its bound:
        an endless body after 256 MiB, silence after 600 s.
"""

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web

from simulators.police.conduct import Conduct, How
from simulators.wire import abort_with_reset

MAX_ENDLESS_BYTES: Final = 256 * 1024 * 1024
MAX_SILENCE_S: Final = 600.0
LOGIN_PAGE: Final = "<!doctype html><title>登录 / Login</title><form method=post>…</form>"


async def misbehave(
    request: web.BaseRequest, conduct: Conduct, receipt: bytes
) -> web.StreamResponse:
    """Answer as conduct says; `receipt` is what a good answer would have been."""
    plain = {
        How.REDIRECT: _redirect,
        How.LOGIN_PAGE: _login_page,
        How.NOT_JSON: _not_json,
    }
    if conduct.how in plain:
        return plain[conduct.how]()
    if conduct.how in {How.STATUS, How.BUSY, How.POISON}:
        return _error(conduct)
    if conduct.how is How.DRIBBLE:
        return await _dribble(request, receipt, conduct.interval_s)
    return await _break(request, conduct.how, receipt)


def _redirect() -> web.Response:
    return web.Response(status=302, headers={"Location": "/elsewhere"})


def _login_page() -> web.Response:
    return web.Response(text=LOGIN_PAGE, content_type="text/html")


def _not_json() -> web.Response:
    return web.Response(body=b"OK, thank you", content_type="application/json")


async def _break(request: web.BaseRequest, how: How, receipt: bytes) -> web.StreamResponse:
    """Endless, reset, silence, drop: the ways that leave the connection unusable."""
    if how is How.ENDLESS:
        return await _endless(request)
    if how is How.RESET:
        return await _break_off(request, receipt)
    if how is How.SILENCE:
        await _say_nothing(request)
    _reset(request)
    return web.Response(status=500)


def _error(conduct: Conduct) -> web.Response:
    status = {How.BUSY: 429, How.POISON: 400}.get(conduct.how, conduct.status)
    headers = {} if conduct.retry_after is None else {"Retry-After": conduct.retry_after}
    return web.json_response({"error": f"simulated {status}"}, status=status, headers=headers)


async def _begin(request: web.BaseRequest, size_bytes: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if size_bytes is not None:
        response.content_length = size_bytes
    await response.prepare(request)
    return response


async def _dribble(
    request: web.BaseRequest, receipt: bytes, interval_s: float
) -> web.StreamResponse:
    response = await _begin(request, len(receipt))
    with suppress(ConnectionError):
        for byte in receipt:
            await response.write(bytes([byte]))
            await asyncio.sleep(interval_s)
        await response.write_eof()
    return response


async def _endless(request: web.BaseRequest) -> web.StreamResponse:
    response = await _begin(request, None)
    chunk = b" " * 65536
    with suppress(ConnectionError):
        for _ in range(MAX_ENDLESS_BYTES // len(chunk)):
            await response.write(chunk)
    _reset(request)
    return response


async def _break_off(request: web.BaseRequest, receipt: bytes) -> web.StreamResponse:
    response = await _begin(request, len(receipt))
    await response.write(receipt[: len(receipt) // 2])
    _reset(request)
    return response


async def _say_nothing(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        transport.pause_reading()
    await asyncio.sleep(MAX_SILENCE_S)


def _reset(request: web.BaseRequest) -> None:
    if request.transport is not None:
        abort_with_reset(request.transport)
