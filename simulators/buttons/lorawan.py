"""LoRaWAN devices as ChirpStack v4 and The Things Network v3 publish them.

Source  shared device notes mqtt-buttons.md section 5 (chirpstack-docs: integrations/events.md,
        integrations/mqtt.md; The Things Network's v3 uplink message).
Keeps   Zero, false and empty are left out, as the Protobuf JSON mapping does it: an uplink with
        frame counter 0 has no frame counter.
"""

import base64
import uuid
from abc import ABC, abstractmethod
from typing import Any

from simulators.buttons.base import Device, json_message
from simulators.buttons.milesight import Sensor, Ws101
from simulators.mqtt import Message


class _Lorawan(Device, ABC):
    """A sensor, its session with the network server, and the gateways that hear it.

    sensor         what it is; a WS101 button unless told otherwise
    decoded        whether the network server runs the maker's decoder
    gateways       how many gateways hear each frame; the server publishes one event all the same
    """

    network: str

    def __init__(
        self,
        name: str,
        *,
        sensor: Sensor | None = None,
        decoded: bool = False,
        gateways: int = 1,
        **settings: Any,  # noqa: ANN401 see Device
    ) -> None:
        super().__init__(name, **settings)
        self.sensor = sensor or Ws101()
        self.frame_count = 0
        self.gateways = gateways
        self.is_decoded = decoded
        self.dev_addr = self._new_address()

    def pressed(self) -> list[Message]:
        """See Device."""
        self.press_count += 1
        self.sensor.active = True
        return [self._uplink(event=True)]

    def released(self) -> list[Message]:
        """See Device; a button has no release."""
        self.sensor.active = False
        return [] if isinstance(self.sensor, Ws101) else [self._uplink(event=True)]

    def alive(self) -> list[Message]:
        """See Device."""
        return [self._uplink(event=False)]

    def pressed_and_heard_apart(self) -> list[Message]:
        """Return one press that the server failed to merge: an event for each of three gateways.

        The frame counter is the same in all of them, the server's own id is not.
        """
        counter = self.frame_count
        messages = []
        for _ in range(3):
            self.frame_count = counter
            messages += self.pressed()
        self.press_count -= 2
        return messages

    def rejoin(self) -> list[Message]:
        """Join again, as after a new battery: other address, counter from 0."""
        self.dev_addr = self._new_address()
        self.frame_count = 0
        return []

    def _uplink(self, *, event: bool) -> Message:
        counter = self.frame_count
        self.frame_count += 1
        data = self.sensor.frame(self.battery_pct, event=event)
        content = None
        if self.is_decoded:
            content = self.sensor.decoded(self.battery_pct, self.dice, event=event)
        return self._publish(counter, base64.b64encode(data).decode(), content)

    @abstractmethod
    def _publish(self, counter: int, data: str, content: dict[str, Any] | None) -> Message:
        """Wrap a frame as this network server does."""

    def _new_address(self) -> str:
        return f"{self.dice.getrandbits(32):08x}"

    def _radio(self) -> tuple[int, float]:
        return self.dice.randint(-118, -60), round(self.dice.uniform(-7, 11), 1)


class ChirpStack(_Lorawan):
    """Behind ChirpStack v4; name is the DevEUI, 16 hexadecimal digits."""

    family = "chirpstack"

    def __init__(self, name: str, *, application: str = "", **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, **settings)
        self.application = application or "17c82e96-be03-4f38-aef3-f83d48582d97"

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"application": self.application, "dev_eui": self.name}

    def rejoin(self) -> list[Message]:
        """See above; the server publishes the join."""
        super().rejoin()
        content = self._head() | {"devAddr": self.dev_addr}
        return [json_message(f"{self._base()}/join", content)]

    def _base(self) -> str:
        return f"application/{self.application}/device/{self.name}/event"

    def _head(self) -> dict[str, Any]:
        identity = uuid.UUID(int=self.dice.getrandbits(128), version=4)
        return {
            "deduplicationId": str(identity),
            # Nine digits behind the point, as the server writes them.
            "time": self.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "242+00:00",
            "deviceInfo": {
                "applicationId": self.application,
                "applicationName": "campus",
                "deviceName": f"sos-{self.name[-4:]}",
                "devEui": self.name,
            },
        }

    def _publish(self, counter: int, data: str, content: dict[str, Any] | None) -> Message:
        heard = []
        for number in range(self.gateways):
            rssi, snr = self._radio()
            heard.append({"gatewayId": f"0016c001f153a1{number:02x}", "rssi": rssi, "snr": snr})
        uplink = self._head() | {"devAddr": self.dev_addr, "dr": 5}
        if counter:
            uplink["fCnt"] = counter
        uplink |= {"fPort": 85, "data": data, "rxInfo": heard}
        if content is not None:
            uplink["object"] = content
        return json_message(f"{self._base()}/up", uplink)


class Ttn(_Lorawan):
    """Behind The Things Network v3; name is the device id there."""

    family = "ttn"

    def __init__(
        self,
        name: str,
        *,
        application: str = "campus",
        tenant: str = "ttn",
        dev_eui: str = "24E124535C000107",
        **settings: Any,  # noqa: ANN401 see _Lorawan
    ) -> None:
        super().__init__(name, **settings)
        self.application = application
        self.tenant = tenant
        self.dev_eui = dev_eui

    def address(self) -> dict[str, str]:
        """See Device."""
        return {"application": self.application, "tenant": self.tenant, "device": self.name}

    def rejoin(self) -> list[Message]:
        """See above; the server publishes the join."""
        super().rejoin()
        content = self._head() | {"join_accept": {"received_at": self._time()}}
        return [json_message(f"{self._base()}/join", content)]

    def _base(self) -> str:
        return f"v3/{self.application}@{self.tenant}/devices/{self.name}"

    def _time(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "118Z"

    def _head(self) -> dict[str, Any]:
        return {
            "end_device_ids": {
                "device_id": self.name,
                "application_ids": {"application_id": self.application},
                "dev_eui": self.dev_eui,
                "dev_addr": self.dev_addr.upper(),
            },
            "received_at": self._time(),
        }

    def _publish(self, counter: int, data: str, content: dict[str, Any] | None) -> Message:
        heard = []
        for number in range(self.gateways):
            rssi, snr = self._radio()
            gateway = {"gateway_id": f"campus-gw-{number}"}
            heard.append({"gateway_ids": gateway, "rssi": rssi, "snr": snr})
        uplink: dict[str, Any] = {"f_port": 85, "frm_payload": data}
        if counter:
            uplink["f_cnt"] = counter
        if content is not None:
            uplink["decoded_payload"] = content
        uplink |= {"rx_metadata": heard, "received_at": self._time()}
        return json_message(f"{self._base()}/up", self._head() | {"uplink_message": uplink})
