"""What an installer may write in an [[uplink]] of kind "http".

Owns    the checks. Files are read once, while the configuration is validated.
Needs   the validation context {"folder": Path}: where relative paths start.
Keeps   The signing key is a private attribute: in no repr, no schema, no error.
"""

import base64
import binascii
import ssl
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from yarl import URL

from gateway.uplinks import ReadableFile, is_loopback, parse_url, read_secret, tls_context, wrong

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 the form Standard Webhooks gives to all secrets
MIN_KEY_BYTES: Final = 16
MAX_KEY_BYTES: Final = 256
"""Standard Webhooks recommends 24 to 64; only what is guessable or no key at all is refused."""

SECRET_FORM: Final = ("whsec_ 后接 base64", "whsec_ and base64")
PLAIN_ALLOWED: Final = "https://, or allow_plain_http = true"


class Options(BaseModel):
    """One HTTP receiver.

    url                https://…; http:// to this machine, or anywhere with allow_plain_http = true
    secret_file        the Standard Webhooks secret (whsec_ and base64), or …
    secret_env         … the environment variable that holds it; only a receiver on this machine
                       may go without
    ca, cert, key      PEM files: who signs the receiver's certificate, and our own for mutual TLS
    proxy              http://host:port; none is used unless written here, whatever the environment
    receipt            "status": a 2xx with no body or a JSON body will do; "body": the JSON must
                       name the record's id
    connect_timeout_s  to connect including TLS
    total_timeout_s    for one call of deliver as a whole
    concurrency        connections, and requests under way, at most
    batch              over 1: so many records that are no alarms in one CloudEvents batch
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    allow_plain_http: bool = False
    secret_file: ReadableFile | None = None
    secret_env: str | None = None
    ca: ReadableFile | None = None
    cert: ReadableFile | None = None
    key: ReadableFile | None = None
    proxy: str | None = None
    receipt: Literal["status", "body"] = "status"
    connect_timeout_s: float = Field(default=3.0, gt=0, le=10)
    total_timeout_s: float = Field(default=10.0, gt=0, le=14)
    concurrency: int = Field(default=8, ge=1, le=64)
    batch: int = Field(default=1, ge=1, le=500)
    _signing_key: bytes | None = PrivateAttr(default=None)
    _tls: ssl.SSLContext | None = PrivateAttr(default=None)

    @field_validator("url")
    @classmethod
    def _usable_url(cls, text: str) -> str:
        return str(parse_url(text, ("https://", "http://")).with_fragment(None))

    @field_validator("proxy")
    @classmethod
    def _usable_proxy(cls, text: str | None) -> str | None:
        return None if text is None else str(parse_url(text, ("http://",)))

    @field_validator("secret_file")
    @classmethod
    def _usable_secret_file(cls, file: Path | None) -> Path | None:
        secret = read_secret(file, None)
        if secret is not None:
            decode_secret(secret)
        return file

    @field_validator("secret_env")
    @classmethod
    def _usable_secret_env(cls, name: str | None) -> str | None:
        secret = read_secret(None, name)
        if secret is not None:
            decode_secret(secret)
        return name

    @model_validator(mode="after")
    def _read_files(self) -> Self:
        url = URL(self.url)
        here = is_loopback(url.host or "")
        if url.scheme == "http" and not (here or self.allow_plain_http):
            raise wrong(
                "发往另一台机器的 http:// 途中可被偷看和篡改",
                "http:// to another machine can be read and changed on the way",
                wanted=("https:// 或写明 allow_plain_http = true", PLAIN_ALLOWED),
                key="url",
            )
        if url.scheme == "http" and (self.ca or self.cert or self.key):
            raise wrong(
                "http:// 用不到 ca、cert、key",
                "ca, cert and key are of no use with http://",
                wanted=("url 用 https://", "https:// in url"),
                key="url",
            )
        secret = read_secret(self.secret_file, self.secret_env)
        if secret is None and not here:
            raise wrong(
                "没有签名密钥",
                "no secret to sign the records with",
                wanted=("secret_file 或 secret_env", "secret_file or secret_env"),
            )
        self._signing_key = None if secret is None else decode_secret(secret)
        self._tls = tls_context(self.ca, self.cert, self.key) if url.scheme == "https" else None
        return self

    @property
    def signing_key(self) -> bytes | None:
        """The key of webhook-signature; None when records go unsigned."""
        return self._signing_key

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What connections are secured with; None for http://."""
        return self._tls


def decode_secret(secret: str) -> bytes:
    """Return the key in a Standard Webhooks secret; raises ValueError, without the secret."""
    if not secret.startswith(SECRET_PREFIX):
        raise wrong("密钥不是 whsec_ 开头", "the secret begins otherwise", wanted=SECRET_FORM)
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise wrong("密钥解不开", "the secret does not decode", wanted=SECRET_FORM) from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise wrong(
            f"密钥有 {len(key)} 字节",
            f"the secret has {len(key)} bytes",
            wanted=(
                f"{MIN_KEY_BYTES} 到 {MAX_KEY_BYTES} 字节",
                f"{MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes",
            ),
        )
    return key
