"""Eclipse mosquitto 2.

Source  mosquitto.conf(5), mosquitto_passwd(1).
"""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from simulators.brokers.process import Broker, find_program
from simulators.mqtt import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class MosquittoSettings:
    """What a mosquitto.conf may say here; the defaults are mosquitto's own, so they promise little.

    persistence          keep sessions and messages in mosquitto.db
    autosave_on_changes  autosave_interval counts changes instead of seconds
    autosave_interval    with autosave_on_changes: changes; without: seconds; 0 saves at exit only
    max_inflight         messages a subscriber may have unacknowledged; 0 no limit
    max_queued           messages kept for an absent subscriber; 0 no limit
    passwords            user name to password; without it anybody may come in
    acl                  lines of an ACL file
    ca, cert, key        serve TLS; with require_certificate every client must show one
    """

    persistence: bool = True
    autosave_on_changes: bool = False
    autosave_interval: int = 1800
    max_inflight: int = 20
    max_queued: int = 1000
    message_size_limit_bytes: int = 0
    passwords: dict[str, str] = field(default_factory=dict)
    acl: tuple[str, ...] = ()
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    require_certificate: bool = False
    client_cert: Path | None = None
    client_key: Path | None = None


class Mosquitto(Broker):
    """Eclipse mosquitto 2, configured as a site might have it."""

    name = "mosquitto"

    def __init__(
        self,
        folder: Path,
        settings: MosquittoSettings | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__(folder, port)
        self.settings = settings or MosquittoSettings()

    @property
    def address(self) -> Address:
        """As a client with the first of the passwords and the given client certificate."""
        settings = self.settings
        username, password = next(iter(settings.passwords.items()), (None, None))
        return Address(
            port=self.port,
            username=username,
            password=password,
            ca=settings.ca,
            cert=settings.client_cert,
            key=settings.client_key,
        )

    def command(self) -> list[str]:
        """See Broker; mosquitto.conf(5)."""
        settings = self.settings
        program = find_program("mosquitto", "apt install mosquitto")
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {_word(not settings.passwords)}",
            f"max_inflight_messages {settings.max_inflight}",
            f"max_queued_messages {settings.max_queued}",
            f"message_size_limit {settings.message_size_limit_bytes}",
            "log_dest stdout",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            f"persistence {_word(settings.persistence)}",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # or it becomes `mosquitto` and cannot write to our folder
        if settings.persistence:
            lines += [
                f"persistence_location {self.folder}/",
                f"autosave_on_changes {_word(settings.autosave_on_changes)}",
                f"autosave_interval {settings.autosave_interval}",
            ]
        if settings.passwords:
            lines.append(f"password_file {self._passwords()}")
        if settings.acl:
            acl = self.folder / "acl"
            acl.write_text("\n".join(settings.acl) + "\n", "utf-8")
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        if settings.cert is not None:
            lines += [
                f"cafile {settings.ca}",
                f"certfile {settings.cert}",
                f"keyfile {settings.key}",
                f"require_certificate {_word(settings.require_certificate)}",
            ]
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n", "utf-8")
        return [str(program), "-c", str(configuration)]

    def _passwords(self) -> Path:
        """Write the file in clear and have mosquitto_passwd hash it in place."""
        path = self.folder / "passwords"
        text = "".join(f"{name}:{word}\n" for name, word in self.settings.passwords.items())
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        hasher = find_program("mosquitto_passwd", "apt install mosquitto")
        subprocess.run([hasher, "-U", path], check=True, capture_output=True)  # noqa: S603 no shell
        return path


def _word(flag: bool) -> str:  # noqa: FBT001 a value to spell, not a switch
    return "true" if flag else "false"
