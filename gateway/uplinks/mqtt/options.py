"""What an installer may write in an [[uplink]] of kind "mqtt".

Owns    the checks. Files are read once, while the configuration is validated.
Needs   the validation context {"folder": Path}: where relative paths start.
Keeps   The password is a private attribute: in no repr, no schema, no error.
"""

import ssl
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from yarl import URL

from gateway.uplinks import ReadableFile, parse_url, read_secret, tls_context, wrong
from gateway.uplinks.mqtt.words import OF_GATEWAY, OF_RECORD, check_template

PLAIN_PORT: Final = 1883
TLS_PORT: Final = 8883


class Options(BaseModel):
    """One MQTT receiver.

    url             mqtt://host[:1883] or mqtts://host[:8883]
    username        with password_file, or password_env (an environment variable's name)
    ca, cert, key   PEM files: who signs the broker's certificate, and our own for mutual TLS
    client_id       must be unique at the broker; made of site, gateway and uplink when absent
    topic           where records go; {site} {gateway} {kind} {event} {device} {priority}
    receipts_topic  where the receiver reports progress; "" for nowhere; {site} {gateway}
    status_topic    retained online and offline (last will); "" for nowhere; {site} {gateway}
    protocol        "auto" tries MQTT 5 and falls back to 3.1.1
    window          messages without acknowledgement at most; less where the broker wants less
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    username: str | None = Field(default=None, min_length=1)
    password_file: ReadableFile | None = None
    password_env: str | None = None
    ca: ReadableFile | None = None
    cert: ReadableFile | None = None
    key: ReadableFile | None = None
    client_id: str | None = Field(default=None, min_length=1, max_length=128)
    topic: str = "campus/{site}/{gateway}/{kind}/{event}"
    receipts_topic: str = "campus/{site}/{gateway}/receipts"
    status_topic: str = "campus/{site}/{gateway}/status"
    protocol: Literal["auto", "3.1.1", "5"] = "auto"
    window: int = Field(default=1024, ge=4, le=8192)
    _password: str | None = PrivateAttr(default=None)
    _tls: ssl.SSLContext | None = PrivateAttr(default=None)

    @field_validator("url")
    @classmethod
    def _usable_url(cls, text: str) -> str:
        url = parse_url(text, ("mqtts://", "mqtt://"))
        if url.path not in {"", "/"} or url.query_string:
            raise wrong(
                "网址里不只有主机和端口",
                "more than host and port is in the URL",
                wanted=("mqtts://主机[:端口]", "mqtts://host[:port]"),
            )
        return str(url)

    @field_validator("topic")
    @classmethod
    def _usable_topic(cls, text: str) -> str:
        return check_template(text, OF_RECORD)

    @field_validator("receipts_topic", "status_topic")
    @classmethod
    def _usable_own_topic(cls, text: str) -> str:
        return text and check_template(text, OF_GATEWAY)

    @field_validator("password_file")
    @classmethod
    def _usable_password_file(cls, file: Path | None) -> Path | None:
        read_secret(file, None)
        return file

    @field_validator("password_env")
    @classmethod
    def _usable_password_env(cls, name: str | None) -> str | None:
        read_secret(None, name)
        return name

    @model_validator(mode="after")
    def _read_files(self) -> Self:
        secure = URL(self.url).scheme == "mqtts"
        if not secure and (self.ca or self.cert or self.key):
            raise wrong(
                "mqtt:// 用不到 ca、cert、key",
                "ca, cert and key are of no use with mqtt://",
                wanted=("url 用 mqtts://", "mqtts:// in url"),
                key="url",
            )
        self._password = read_secret(self.password_file, self.password_env)
        if self._password is not None and self.username is None:
            raise wrong(
                "有密码没有用户名",
                "a password is given without a name",
                wanted=("写 username", "username"),
            )
        self._tls = tls_context(self.ca, self.cert, self.key) if secure else None
        return self

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return URL(self.url).host or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        url = URL(self.url)
        return url.explicit_port or (TLS_PORT if url.scheme == "mqtts" else PLAIN_PORT)

    @property
    def password(self) -> str | None:
        """The password itself; never logged."""
        return self._password

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the connection is secured with; None for mqtt://."""
        return self._tls
