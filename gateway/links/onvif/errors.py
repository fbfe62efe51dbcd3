"""How a conversation with a camera can fail.

DeviceError
├── LinkDown         (gateway.errors) no connection, silence, or an HTTP error   again, back off
│   ├── Unreadable   the answer is no SOAP, too long, or a trap                  again, back off
│   └── Fault        the camera understood us and said no                        the caller decides
└── Refused          the camera does not believe who we are    a person changes the password; again
                                                               rarely: cameras lock out who guesses

No text here holds a password, a nonce or an Authorization header. What a camera says of itself is
cut to MAX_SAID_CHARS and stripped of what is not printable.
"""

from typing import Final

from gateway.errors import DeviceError, LinkDown

MAX_SAID_CHARS: Final = 120


class Unreadable(LinkDown):
    """The camera's answer cannot be used; what it may have held is lost."""

    def __init__(self, where: str, chinese: str, english: str) -> None:
        super().__init__(
            f"{where}: {chinese}，稍后重试 / {where}: {english}; it is asked again later"
        )


class Fault(LinkDown):
    """A SOAP fault, or an HTTP status that stands for one.

    codes   local names of the fault's code and subcodes: ("Sender", "NotAuthorized")
    status  of HTTP
    """

    def __init__(self, where: str, codes: tuple[str, ...], reason: str, status: int) -> None:
        told = printable(reason) or f"HTTP {status}"
        said = "/".join(printable(code) for code in codes)
        super().__init__(
            f"{where}: 摄像机拒绝 {said} {told}，稍后重试"
            f" / {where}: the camera said no: {said} {told}; it is asked again later"
        )
        self.codes = codes
        self.status = status
        self.reason = told

    @property
    def is_about_trust(self) -> bool:
        """Whether it is about who we are, or about the time at which we say so."""
        words = {"NotAuthorized", "FailedAuthentication", "InvalidSecurityToken", "InvalidSecurity"}
        return bool(words & set(self.codes)) or "not authorized" in self.reason.lower()


class Refused(DeviceError):
    """Wrong user or password, an account without ONVIF rights, or a clock beyond mending."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where}: 用户名或密码不被接受（摄像机常要单独建 ONVIF 用户），一分钟后再试"
            f" / {where}: user or password are not accepted (many cameras want an ONVIF user of its"
            " own); it is asked again in a minute"
        )


def printable(text: str) -> str:
    """What a device said, safe for a log and a screen; at most MAX_SAID_CHARS."""
    plain = "".join(char if char.isprintable() else " " for char in text[: MAX_SAID_CHARS * 4])
    return " ".join(plain.split())[:MAX_SAID_CHARS]
