"""A browser that signs on through the API: it keeps its cookies, and may sit anywhere."""

from http.cookies import SimpleCookie
from typing import Any

from gateway.console.tokens import Role
from tests.console.conftest import Answer, Console

ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}
"""What makes a request one from another machine: this one's own sockets are all loopback."""
PIN = "2580"
FORCED = "2769"


def person(console: Console, name: str = "张三", role: Role = Role.GUARD, pin: str = PIN) -> str:
    """Make somebody with a PIN under duress, too; returns his id."""
    return str(console.app.state.sign_on.people.add(name, role, pin, FORCED).id)


class Browser:
    """Keeps cookies; `is_here` says whether it runs on the gateway itself."""

    def __init__(self, console: Console, *, is_here: bool = False) -> None:
        self.console = console
        self.cookies: dict[str, str] = {}
        self.is_here = is_here
        self.csrf = ""

    async def ask(self, method: str, path: str, *, proof: bool = True, **options: Any) -> Answer:
        headers = {} if self.is_here else dict(ELSEWHERE)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if proof and self.csrf:
            headers["X-CSRF-Token"] = self.csrf
        headers |= options.pop("headers", {})
        answer = await self.console.ask(method, path, None, headers=headers, **options)
        for line in answer.headers.getall("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.ask("POST", path, json=body, **options)

    async def sign_on(self, name: str = "张三", secret: str = PIN) -> Answer:
        answer = await self.post("/api/v1/session", {"name": name, "secret": secret})
        if answer.status == 200:
            self.csrf = answer.json()["csrf"]
        return answer
