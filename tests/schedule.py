"""Which worker begins which file when: files that keep a core busy beside files that merely wait.

A file stays on one worker, as with --dist loadfile, which would begin the files with the fewest
tests last: just those that take minutes, and all of them at once. Here as many workers as there
are cores take the BUSY ones, the longest first; the others take those that wait for most of their
time (PATIENT), then the small ones. Who runs out of his own helps with the rest, from its far end.

Keeps  no test depends on any of this: the tables save minutes, and a file that is in none of them
       is among the small ones. Seconds per file are told by --durations=0 and /usr/bin/time.
"""

import os
from typing import Any, Final

from xdist.scheduler.loadfile import LoadFileScheduling

BUSY: Final = (
    "console/web/test_guard.py", "console/web/test_pictures.py", "console/web/test_hostile.py",
    "console/web/test_access.py", "console/web/test_scene.py", "console/web/test_looks.py",
    "console/web/test_outage.py", "console/web/test_install_looks.py",
    "pictures/test_judge.py", "crash/test_kills.py",
    "console/web/test_sound.py", "test_demo.py", "crash/test_disk.py",
    "console/web/test_install.py", "misbehaviour/test_devices.py", "console/web/test_words.py",
    "crash/test_clock.py", "console/web/test_floors.py", "console/web/test_flood.py",
    "test_interlock_story.py", "test_pointlist.py",
    "profile/test_shipped.py", "links/modbus/test_planner.py", "test_reload.py",
    "recorder/test_citizen.py", "console/web/test_playback.py", "console/web/test_people.py",
    "campus/test_day.py", "links/onvif/test_streams.py", "links/test_mqtt_wire.py",
    "pictures/test_watch.py", "drivers/test_onvif_driver.py",
)  # fmt: skip
PATIENT: Final = (
    "drivers/test_modbus_quirks.py", "drivers/test_modbus_orders.py",
    "bench/test_modbus.py", "campus/test_installers_afternoon.py", "pictures/test_story.py",
    "campus/test_every_modbus_profile.py", "console/test_sign_on.py", "console/test_api.py",
    "cli/test_modbus.py", "cli/test_root.py", "links/test_mqtt.py", "console/test_page.py",
    "simulators/cameras/test_cameras.py", "console/test_guard.py", "console/test_server.py",
    "store/test_damage.py", "commission/test_scan.py", "console/test_proofs.py",
    "drivers/test_modbus_driver.py", "console/test_personnel.py", "recorder/test_service.py",
    "test_guardroom_story.py", "simulators/modbus/test_model.py", "simulators/test_police.py",
    "misbehaviour/test_receivers.py", "simulators/cameras/test_conduct.py",
    "drivers/test_modbus_bus.py", "recorder/test_reconnects.py", "recorder/test_camera_clock.py",
)  # fmt: skip
CORES: Final = os.cpu_count() or 1


def order(worker: int, files: list[str]) -> list[str]:
    """Return files as this worker would best take them; those of no table keep their order."""
    busy = [name for each in BUSY if (name := f"tests/{each}") in files]
    patient = [name for each in PATIENT if (name := f"tests/{each}") in files]
    known = {*busy, *patient}
    small = [name for name in files if name not in known]
    if worker < CORES:
        return busy + patient[::-1] + small[::-1]
    return patient + small + busy[::-1]


class Mixed(LoadFileScheduling):
    """See the module."""

    def _assign_work_unit(self, node: Any) -> None:
        worker = int(node.gateway.id.removeprefix("gw"))
        best = order(worker, list(self.workqueue))[0]
        self.workqueue.move_to_end(best, last=False)
        super()._assign_work_unit(node)
