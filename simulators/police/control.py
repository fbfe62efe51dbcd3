"""The police simulator's second port: how another process tells it to behave badly.

POST /behave   {"how": "status", "status": 503, "times": 3, "for_s": 5, "devices": […], "ids": […]}
POST /good     behave from now on
POST /down     refuse connections ({"for_s": 3} comes up again by itself)      POST /up
GET  /state    counts, problems                      GET /ids   ids in order of arrival
GET  /records?after=N   the first copies from the Nth on, as they came

Keeps   A wrong request gets 400 with what is wrong; a control request never touches the inbox.
"""

import asyncio

import orjson
from aiohttp import web

from simulators.brokers import free_port
from simulators.police.server import Police


class Control:
    """The control port of one Police."""

    def __init__(self, police: Police, port: int | None = None) -> None:
        self.port = port or free_port()
        self._police = police
        self._runner: web.AppRunner | None = None
        self._later: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Begin to listen."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/behave", self._behave),
                web.post("/good", self._good),
                web.post("/down", self._down),
                web.post("/up", self._up),
                web.get("/state", self._state),
                web.get("/ids", self._ids),
                web.get("/records", self._records),
            ],
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        """Stop listening."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _behave(self, request: web.Request) -> web.Response:
        try:
            settings = orjson.loads(await request.read())
            how = settings.pop("how")
            self._police.behave(how, **settings)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": repr(error)}, status=400)
        return web.json_response({"how": how})

    async def _good(self, _request: web.Request) -> web.Response:
        self._police.behave()
        return web.json_response({})

    async def _down(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            for_s = orjson.loads(body).get("for_s") if body else None
            wait_s = None if for_s is None else float(for_s)
        except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
            return web.json_response({"error": repr(error)}, status=400)
        await self._police.down()
        if wait_s is not None:
            task = asyncio.create_task(self._up_after(wait_s), name="police up again")
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        return web.json_response({"up": False})

    async def _up_after(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        await self._police.up()

    async def _up(self, _request: web.Request) -> web.Response:
        await self._police.up()
        return web.json_response({"up": True})

    async def _state(self, _request: web.Request) -> web.Response:
        inbox = self._police.inbox
        state = {
            "up": self._police.is_up,
            "requests": self._police.request_count,
            "records": len(inbox.copies),
            "repeats": inbox.repeat_count,
            "changed": inbox.changed,
            "problems": list(inbox.problems),
        }
        return web.json_response(state)

    async def _ids(self, _request: web.Request) -> web.Response:
        return web.json_response(self._police.inbox.ids())

    async def _records(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdigit():
            return web.json_response({"error": "after is a number"}, status=400)
        bodies = [one.body for one in self._police.inbox.received][int(after) :]
        return web.Response(body=b"[" + b",".join(bodies) + b"]", content_type="application/json")
