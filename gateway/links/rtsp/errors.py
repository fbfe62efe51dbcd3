"""How a session with a camera can fail to begin, or end.

DeviceError
├── LinkDown     (gateway.errors) no connection, silence, busy, or it ended   open another, back off
├── Refused      the camera does not believe who we are     a person changes the password; try again
│                                                           rarely: cameras lock out who guesses
└── NotPlayable  the camera answers and has nothing for us  a person changes address or codec; try
                                                            again rarely

No text here holds a password, a nonce or an Authorization header.
"""

from gateway.errors import DeviceError, LinkDown


class Refused(DeviceError):
    """401 after we said who we are, or 403. Never repeated within a session."""

    def __init__(self, where: str, chinese: str, english: str) -> None:
        super().__init__(
            f"{where}: {chinese}，请检查用户名和密码 / {where}: {english}; check user and password"
        )


class NotPlayable(DeviceError):
    """The address, the codec or the transport is not one we can record."""

    def __init__(self, where: str, chinese: str, english: str) -> None:
        super().__init__(
            f"{where}: {chinese}，请检查地址和编码设置"
            f" / {where}: {english}; check the address and the camera's codec"
        )


def link_down(where: str, chinese: str, english: str) -> LinkDown:
    """A LinkDown that says what happens next, in both languages."""
    return LinkDown(f"{where}: {chinese}，稍后重连 / {where}: {english}; it is opened again later")
