"""What the embedded broker is told: settings, users, and the file nats-server reads.

Owns    the folder's nats.conf (0600) and gateway.secret (0600). Pure apart from writing those two.
Needs   gateway.errors.
Keeps   1. A secret is in a file only its owner can read; never on a command line, never in repr.
        2. sync_interval is `always`: a PUBACK is on disk (decision 0006).
        3. Every size is bounded: a message, a backlog, retained messages, connections.
"""

import json
import os
import re
import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.errors import ConfigError, ConfigFault

SERVER_NAME: Final = "campus-gateway"
WARDEN: Final = "campus-warden"
"""The only user who may speak NATS itself: on loopback, and only to bound and read the backlog."""

PROBE_CLIENT_ID: Final = "campus-gateway-probe"
RESERVE_BYTES: Final = 32 * 1024 * 1024
"""Kept free of messages, so that sessions can still be written while the backlog is full."""

_OWN_SUBJECTS: Final = ("$JS.>", "$MQTT.>", "$SYS.>", "$KV.>", "$O.>", "_INBOX.>")
_USER_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


ACK_WAIT_S: Final = 1
"""What a killed gateway had not acknowledged comes again after this."""
ANYONE: Final = "campus-anyone"
"""The account of those who show none."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerUser:
    """One device's account on the broker.

    name      1 to 64 of A-Z a-z 0-9 _ . @ -
    password  1 to 256 printable characters; must not look like a bcrypt hash
    topics    MQTT topic filters it may publish and subscribe to; everything when empty
    """

    name: str
    password: str = field(repr=False)
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the broker lives and what it may use.

    folder             its own folder: made 0700; holds configuration, secret and messages
    host, port         where devices connect by MQTT; port 1 to 65535
    username           the gateway's own account
    password           its password; None: one is made and kept in gateway.secret
    devices            the accounts of the devices; let in by EmbeddedBroker.admit
    anonymous          let in who shows no account, from the first moment (nats-server cannot change
                       that while it runs); on a loopback host only
    max_message_bytes  a larger MQTT packet closes its sender's connection, with a log line
    max_backlog_bytes  what may wait for the gateway; beyond it nothing is acknowledged
    max_retained_bytes what retained messages may take, likewise
    max_connections    devices connected at once
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 1883
    username: str = "gateway"
    password: str | None = field(default=None, repr=False)
    devices: tuple[BrokerUser, ...] = ()
    anonymous: bool = False
    max_message_bytes: int = 256 * 1024
    max_backlog_bytes: int = 1024 * 1024 * 1024
    max_retained_bytes: int = 32 * 1024 * 1024
    max_connections: int = 4096

    @property
    def config_path(self) -> Path:
        """The file nats-server reads."""
        return self.folder / "nats.conf"


def check_users(settings: BrokerSettings) -> None:
    """Raise ConfigError with every fault of the accounts, so that an installer sees all at once."""
    faults = []
    own = BrokerUser(name=settings.username, password=settings.password or "generated")
    seen: set[str] = set()
    if settings.anonymous and settings.host not in LOOPBACK:
        faults.append(_fault("broker", "is open to the network", "accounts for the devices"))
    for user in (own, *settings.devices):
        key = f"broker.users.{user.name[:64]!r}"
        if not _USER_NAME.fullmatch(user.name) or user.name == WARDEN:
            faults.append(_fault(key, "cannot be a user name", "A-Z a-z 0-9 _ . @ -, at most 64"))
        if user.name in seen:
            faults.append(_fault(key, "is there twice", "one account for each name"))
        seen.add(user.name)
        if not 1 <= len(user.password) <= 256 or not user.password.isprintable():
            faults.append(_fault(key, "has no usable password", "1 to 256 printable characters"))
        elif user.password.startswith("$2"):
            # nats-server would take it for a bcrypt hash and let nobody in.
            faults.append(_fault(key, "has a password that begins with $2", "another password"))
        faults.extend(
            _fault(key, f"topic filter {topic!r} is not one", "levels divided by /, no spaces")
            for topic in user.topics
            if not topic or any(char.isspace() or not char.isprintable() for char in topic)
        )
    if faults:
        raise ConfigError(faults)


def _fault(key: str, problem: str, expected: str) -> ConfigFault:
    return ConfigFault(file="gateway.toml", key=key, problem=problem, expected=expected)


def find_server() -> Path:
    """Return the nats-server program: beside this Python (the extra), then on PATH.

    raises ConfigError, which names both ways to install it
    """
    beside = Path(sys.executable).parent / "nats-server"
    if os.access(beside, os.X_OK):
        return beside
    on_path = shutil.which(
        "nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin"
    )
    if on_path is None:
        raise ConfigError(
            [
                ConfigFault(
                    file="gateway.toml",
                    key="link.broker",
                    problem="the embedded broker needs nats-server, which is not installed",
                    expected='pip install "campus-gateway[broker]", the system\'s package '
                    'nats-server, or a broker of your own instead of broker = "embedded"',
                )
            ]
        )
    return Path(on_path)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, and on disk when it returns."""
    new = path.with_name(path.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def own_password(settings: BrokerSettings) -> str:
    """Return the gateway's password: the configured one, or the one made at the first start."""
    if settings.password is not None:
        return settings.password
    path = settings.folder / "gateway.secret"
    if path.exists():
        kept = path.read_text(encoding="utf-8").strip()
        if kept:
            return kept
    made = secrets.token_urlsafe(32)
    write_private(path, made + "\n")
    return made


def to_subject(topic: str) -> str:
    """Turn an MQTT topic filter into a NATS subject, as nats-server's own mapping does."""
    levels = []
    for level in topic.split("/"):
        match level:
            case "":
                levels.append("/")
            case "+":
                levels.append("*")
            case "#":
                levels.append(">")
            case _:
                levels.append(level.replace(".", "//"))
    return ".".join(levels)


def render(settings: BrokerSettings, *, password: str, warden: str, admit: bool) -> str:
    """Return nats-server's configuration; with admit False no device has an account yet."""
    users = [_mqtt_user(settings.username, password, ())]
    if admit:
        users += [_mqtt_user(user.name, user.password, user.topics) for user in settings.devices]
    if settings.anonymous:
        users.append(_mqtt_user(ANYONE, secrets.token_urlsafe(24), ()))
    users.append(
        {
            "user": WARDEN,
            "password": warden,
            "allowed_connection_types": ["STANDARD"],
            "permissions": {
                "publish": {"allow": ["$JS.API.STREAM.INFO.*", "$JS.API.STREAM.UPDATE.*"]},
                "subscribe": {"allow": ["_INBOX.>"]},
            },
        }
    )
    config: dict[str, Any] = {
        "server_name": SERVER_NAME,  # fixed: consumers of a session are named after it
        "listen": "127.0.0.1:-1",  # any free port, loopback only, the warden's alone
        "ports_file_dir": str(settings.folder),
        "max_payload": settings.max_message_bytes,
        "max_pending": max(16 * 1024 * 1024, 2 * settings.max_message_bytes),
        "max_connections": settings.max_connections,
        "max_traced_msg_len": 128,
        "write_deadline": "10s",
        "jetstream": {
            "store_dir": str(settings.folder),
            "sync_interval": "always",
            "max_memory_store": 16 * 1024 * 1024,
            "max_file_store": settings.max_backlog_bytes
            + settings.max_retained_bytes
            + RESERVE_BYTES,
        },
        "authorization": {"timeout": 5, "users": users},
        "mqtt": {
            "host": settings.host,
            "port": settings.port,
            "ack_wait": f"{ACK_WAIT_S}s",
            "max_ack_pending": 1024,  # the gateway's in-flight window, and so its largest commit
        },
    }
    if settings.anonymous:
        config["no_auth_user"] = ANYONE
    # nats-server's language holds JSON; it knows no \u escapes, hence ensure_ascii.
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def _mqtt_user(name: str, password: str, topics: tuple[str, ...]) -> dict[str, Any]:
    """Deny nats-server's own subjects to everybody: a device must not delete the message store."""
    publish: dict[str, Any] = {"deny": list(_OWN_SUBJECTS)}
    subscribe: dict[str, Any] = {"deny": [name for name in _OWN_SUBJECTS if name != "$MQTT.>"]}
    if topics:
        subjects = [to_subject(topic) for topic in topics]
        # "a/#" means "a" as well.
        subjects += [subject[:-2] for subject in subjects if subject.endswith(".>")]
        publish["allow"] = subjects
        subscribe["allow"] = [*subjects, "$MQTT.sub.>"]
    return {
        "user": name,
        "password": password,
        "allowed_connection_types": ["MQTT"],
        "permissions": {"publish": publish, "subscribe": subscribe},
    }
