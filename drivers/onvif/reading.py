"""What a camera's notices mean: which device each belongs to, and what it may move. Pure.

Owns    Meaning: the plans of a link's devices, and which of them have been heard of.
Needs   gateway.profile for what a document means, gateway.links.onvif.events for the document.
Keeps   1. A notice is judged by its own content; one that is garbled spoils no other.
        2. Initialized is a state that holds now, not something that happens now: it raises a state
           that is on and never an occurrence (a momentary point or a record).
        3. Deleted raises nothing: what no longer exists can only be over.
"""

from collections.abc import Mapping, Sequence

import orjson

from gateway.errors import BadFrame
from gateway.events import (
    MAX_RAW_BYTES,
    ONLINE_POINT,
    Arrival,
    Device,
    Garbled,
    Nature,
    Reading,
)
from gateway.links.onvif.events import Notice
from gateway.profile import MqttPlan, Profile, plan_mqtt

_OCCURRENCES = frozenset({Nature.MOMENTARY, Nature.RECORD})


class Meaning:
    """See the module.

    unknown  notices under topics that no device of the link wants
    """

    def __init__(
        self, link: str, devices: Sequence[Device], profiles: Mapping[str, Profile]
    ) -> None:
        self._link = link
        self._devices = {device.id: device for device in devices}
        self._exact: dict[str, list[MqttPlan]] = {}
        self._wild: list[MqttPlan] = []
        self._awaited = {
            device.id
            for device in devices
            if any(point.nature is Nature.STATE for point in device.points.values())
        }
        self._silent = set(self._awaited)
        self.unknown = 0
        for device in devices:
            plan = plan_mqtt(profiles[device.profile_id], device)
            if any("+" in each for each in plan.filters):
                self._wild.append(plan)
                continue
            for topic in plan.filters:
                self._exact.setdefault(topic, []).append(plan)

    def forget(self) -> None:
        """The camera is asked for all states anew: nothing of it is known until it says so."""
        self._silent = set(self._awaited)

    @property
    def silent(self) -> list[str]:
        """Devices with a state of which the camera has said nothing since forget()."""
        return sorted(self._silent)

    def alive(self, now_ns: int) -> Arrival:
        """Say of every device that its camera answers; not that it was understood."""
        return Arrival(
            link=self._link,
            readings=[
                Reading(device_id=name, point=ONLINE_POINT, received_ns=now_ns, value=True)
                for name in self._devices
            ],
        )

    def arrival(self, notice: Notice, now_ns: int) -> Arrival | None:
        """What one notice means to the devices of the link; None when it means nothing."""
        plans = [*self._exact.get(notice.topic, ()), *self._wild]
        if not plans:
            self.unknown += 1
            return None
        payload = orjson.dumps(notice.document)
        readings: list[Reading] = []
        garbled: Garbled | None = None
        for plan in plans:
            try:
                readings += plan.decode(notice.topic, payload, retained=False, received_ns=now_ns)
            except BadFrame as bad:
                garbled = Garbled(
                    device_id=plan.device_id,
                    why=str(bad),
                    raw=payload[:MAX_RAW_BYTES],
                    size_bytes=len(payload),
                    received_ns=now_ns,
                )
        if not readings and garbled is None:
            return None
        heard = dict.fromkeys(reading.device_id for reading in readings)
        if garbled is not None:
            heard[garbled.device_id] = None
        self._silent -= heard.keys()
        kept = [each for each in readings if self._may_move(each, notice.operation)]
        return Arrival(link=self._link, readings=kept, devices=tuple(heard), garbled=garbled)

    def _may_move(self, reading: Reading, operation: str) -> bool:
        """Keep 2 and 3; a reading that tells nothing any more is left out."""
        nature = self._devices[reading.device_id].points[reading.point].nature
        if operation == "Initialized":
            return nature not in _OCCURRENCES
        if operation == "Deleted":
            return nature is Nature.STATE and reading.active is False
        return True
