"""Problems: everything the console refuses, in one shape, saying what to do next.

Owns    the form of an error answer, JSON for machines and HTML for the page.
Needs   nothing of ours.
Keeps   1. Nothing that came in is echoed, nothing of the inside is shown.
        2. Every answer has a code for programs, Chinese and English for people, and a next step.
"""

import json
import math
from typing import Any, Final, Self

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MAX_FAULTS_SHOWN: Final = 5
MAX_PLACE_CHARS: Final = 80
PIN_NEEDED: Final = "pin_needed"
PIN_HEADER: Final = "Campus-Pin"
"""On an answer that settles nothing, because a PIN comes first (once.py keeps none of them)."""


class Problem(HTTPException):
    """One refusal.

    status   HTTP status
    code     for programs, never changed once released
    zh, en   what is the matter
    next     what whoever asked should do now
    close    True when the rest of the request is not worth reading
    """

    def __init__(
        self,
        status: int,
        code: str,
        zh: str,
        en: str,
        next_step: str,
        *,
        headers: dict[str, str] | None = None,
        close: bool = False,
    ) -> None:
        every = dict(headers or {})
        if close:
            every["Connection"] = "close"
        super().__init__(status, detail=en, headers=every)
        self.code, self.zh, self.en, self.next = code, zh, en, next_step

    @classmethod
    def no_token(cls) -> Self:
        """Nobody is known to be asking."""
        return cls(
            401,
            "no_token",
            "请先登录或提供有效令牌",
            "a valid token is needed",
            "send Authorization: Bearer <token>; campus-gateway token makes one",
            headers={"WWW-Authenticate": "Bearer"},
        )

    @classmethod
    def pin_needed(cls) -> Self:
        """A person at a console has not given his PIN lately; nothing was done."""
        return cls(
            403,
            PIN_NEEDED,
            "请再输入一次 PIN",
            "give your PIN once more",
            "POST it to /api/v1/session/pin, then ask again",
            headers={PIN_HEADER: "needed"},
        )

    @classmethod
    def too_often(cls, wait_s: float) -> Self:
        """Somebody asks too often or was wrong too often."""
        seconds = max(1, math.ceil(wait_s))
        return cls(
            429,
            "too_often",
            f"请求过于频繁，请在 {seconds} 秒后重试",
            "too many requests",
            f"try again in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )

    @classmethod
    def too_large(cls, most_bytes: int) -> Self:
        """The body is longer than anything this API takes."""
        return cls(
            413,
            "too_large",
            "请求内容过大",
            "the request body is too large",
            f"send at most {most_bytes} bytes",
            close=True,
        )

    def as_json(self) -> Response:
        """Return the answer for a machine."""
        body = {
            "error": {
                "code": self.code,
                "message_zh": self.zh,
                "message": self.en,
                "next": self.next,
            },
            "detail": self.en,
        }
        return Response(
            json.dumps(body, ensure_ascii=False).encode(),
            self.status_code,
            self.headers,
            "application/json",
        )


def from_validation(error: RequestValidationError) -> Problem:
    """Say which members are wrong, without a byte of what they were."""
    faults = [f"{_place(one['loc'])}: {one['type']}" for one in error.errors()[:MAX_FAULTS_SHOWN]]
    return Problem(
        422,
        "not_valid",
        "请求内容不符合要求",
        "; ".join(faults) or "the request is not valid",
        "send what /openapi.json describes",
    )


def from_http(error: HTTPException) -> Problem:
    """Put a refusal of the framework (no such path, wrong method, unreadable body) in our shape."""
    if isinstance(error, Problem):
        return error
    zh, en, next_step = _FRAMEWORK.get(error.status_code, _FRAMEWORK[400])
    # The framework calls a body that breaks its JSON reader 400; to our callers it is one thing.
    status = 422 if error.status_code == 400 else error.status_code
    code = {404: "no_such_path", 405: "wrong_method", 422: "not_valid"}.get(status, "refused")
    return Problem(status, code, zh, en, next_step, headers=dict(error.headers or {}))


def inside() -> Problem:
    """Something of ours broke; the log has it, the answer does not."""
    return Problem(
        500,
        "our_fault",
        "网关内部错误，已写入日志",
        "the gateway failed to answer",
        "try again; when it stays, tell the installer the time of this answer",
        close=True,
    )


_FRAMEWORK: Final = {
    400: ("请求内容无法读取", "the request cannot be read", "send valid UTF-8 JSON"),
    404: ("没有这个地址", "there is no such path", "see /openapi.json"),
    405: ("此地址不支持该方法", "the path does not take this method", "see /openapi.json"),
}


def _place(parts: tuple[Any, ...]) -> str:
    # A member that should not be there is named by whoever sent it: keep it short and harmless.
    text = ".".join(str(part) for part in parts)
    safe = "".join(char if " " < char <= "~" and char not in "<>&\"'" else "?" for char in text)
    return safe[:MAX_PLACE_CHARS]
