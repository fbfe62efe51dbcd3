"""One file or folder per kind of receiver; nothing lists them (README.md says how to add one).

Owns    what the options of every kind share: files beside the configuration, secrets, TLS, and text
        of strangers made fit for a log line. No kind imports another, all may import this.
Needs   nothing of ours.
Keeps   1. A secret is read from a file or the environment, and appears in no error and no repr.
        2. Text from outside is bounded and has no control characters before it is passed on.
"""

import ipaddress
import os
import ssl
import unicodedata
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationInfo
from yarl import URL

MAX_SECRET_BYTES: Final = 4096
MAX_SHOWN_BYTES: Final = 200

AGAIN: Final = "会继续重发 / will be sent again"
PARKED: Final = "已搁置，请人处理 / parked"
"""What happens next, as every outcome that is no receipt ends for the person who reads it."""


def wrong(chinese: str, english: str, *, wanted: tuple[str, str], key: str = "") -> ValueError:
    """Make the error of a wrong option, in both languages, with what would be right.

    wanted  the same two languages
    key     the option at fault, where pydantic cannot know it because several are weighed together
    """
    lead = f"{key}: " if key else ""
    return ValueError(f"{lead}{chinese} / {english}, expected {' / '.join(wanted)}")


def _beside_configuration(path: Path, info: ValidationInfo) -> Path:
    """Make a path absolute (validation context: {"folder": Path}) and prove that it can be read."""
    folder: Path = (info.context or {}).get("folder", Path())
    found = folder / path.expanduser()
    try:
        with found.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise wrong(
            f"{found} 读不了（{error.strerror}）",
            f"cannot be read ({error.strerror})",
            wanted=("一个可读的文件", "a readable file"),
        ) from None
    return found.absolute()


ReadableFile = Annotated[Path, AfterValidator(_beside_configuration)]
"""A path relative to the folder of gateway.toml that exists and can be read."""


def read_secret(file: Path | None, env: str | None) -> str | None:
    """Return the secret of at most 4 KiB that a file or an environment variable holds, stripped.

    returns  None when neither is configured
    raises   ValueError, without the secret, when both are, or the one has nothing in it
    """
    if file is not None and env is not None:
        raise wrong(
            "文件和环境变量都写了",
            "both a file and an environment variable are given",
            wanted=("只写其中一个", "one of them"),
        )
    if file is not None:
        with file.open("rb") as opened:
            raw = opened.read(MAX_SECRET_BYTES + 1)
        if len(raw) > MAX_SECRET_BYTES:
            raise wrong(
                f"{file} 超过 {MAX_SECRET_BYTES} 字节",
                f"longer than {MAX_SECRET_BYTES} bytes",
                wanted=("只有一个密码的文件", "one secret"),
            )
        secret, origin = raw.decode("utf-8", "replace").strip(), str(file)
    elif env is not None:
        secret, origin = os.environ.get(env, "").strip(), f"environment variable {env}"
    else:
        return None
    if not secret or "\ufffd" in secret:
        raise wrong(
            f"{origin} 为空或不是文字", "empty or not text", wanted=("一个密码", "a secret")
        )
    return secret


def tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context that verifies the receiver: against ca, or the system's authorities.

    cert  our own certificate chain for mutual TLS, PEM; key may be in the same file
    raises ValueError when one of the files is no PEM, the key does not fit or wants a password
    """
    if key is not None and cert is None:
        raise wrong(
            "写了 key，没有写 cert",
            "key is given without cert",
            wanted=("两个都写", "both"),
            key="key",
        )
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise wrong(
            f"{ca} 不能用（{error}）",
            f"unusable ({error})",
            wanted=("PEM 证书", "PEM certificates"),
            key="ca",
        ) from None
    if cert is not None:
        try:
            # The empty answer keeps OpenSSL from asking for a password on the terminal at start.
            context.load_cert_chain(cert, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise wrong(
                f"{cert} 不能用（{error}）",
                f"unusable ({error})",
                wanted=(
                    "PEM 证书和不带密码的私钥",
                    "a PEM certificate and its key without a password",
                ),
                key="cert",
            ) from None
    return context


def is_loopback(host: str) -> bool:
    """Say whether a host name or address means this machine, without asking a name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_url(text: str, schemes: tuple[str, ...]) -> URL:
    """Return a URL that has a host, one of the schemes, and nobody's name or password in it.

    raises ValueError, without the URL: what is wrong with it may be a password
    """
    starts = " or ".join(schemes)
    form = (f"{' 或 '.join(schemes)}主机[:端口]", f"{starts}host[:port]")
    try:
        url = URL(text)
    except ValueError:
        raise wrong("不是网址", "not a URL", wanted=form) from None
    if f"{url.scheme}://" not in schemes or not url.host:
        raise wrong("这里不能用这种网址", "not usable here", wanted=form)
    if url.user is not None or url.password is not None:
        raise wrong(
            "网址里写了用户名或密码",
            "a name or password is in the URL",
            wanted=("写在文件或环境变量里", "it in a file or environment"),
        )
    return url


def plain(text: str | bytes, limit: int = MAX_SHOWN_BYTES) -> str:
    """Make a stranger's text fit for one log line: at most `limit` characters, none that control.

    Control, format (bidi), surrogate and line-separating characters become spaces.
    """
    if isinstance(text, bytes):
        text = text[:limit].decode("utf-8", "replace")
    shown = (
        char if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else " "
        for char in text[:limit]
    )
    return " ".join("".join(shown).split())
