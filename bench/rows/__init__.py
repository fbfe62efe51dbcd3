"""What is measured: each module here has functions that take (rig, size) and return rows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything; QUICK is for every day, FULL for the figures of a release.

    slow, fast     messages at 100/s and at 1,000/s
    burst          messages as fast as they go
    lost           messages while the carrier is killed and the receiver away
    backlog        messages behind which an urgent one is sent
    presses        buttons that are pressed while somebody else misbehaves
    many           events after which memory is read and a start is timed
    devices        configured devices in the row that compares many with ten
    each           messages of each of its two runs
    units          Modbus units that are polled
    polled_s       seconds for which polls are counted
    dead_s         the same while one unit is dead
    fast_s         seconds of polling as fast as it goes, of so many fast_units
    changes        registers that go beyond their limit, one each change_every_s seconds; with many
                   connections too when alarms_on_links
    video_s        seconds for which the cost of recording is counted
    busy_cameras   cameras recorded beside a busy thread
    history        cameras in an index of 90 days, a segment a minute
    console_presses  presses that are seen on five consoles
    cold           starts of the page in a browser that does not know it
    watched_s      seconds for which the cost of consoles that look on is counted
    minutes        minutes of 90 days that are put on the screen
    """

    slow: int = 800
    fast: int = 10_000
    burst: int = 20_000
    lost: int = 6_000
    backlog: int = 20_000
    presses: int = 100
    many: int = 100_000
    devices: int = 10_000
    each: int = 5_000
    units: int = 50
    polled_s: float = 2.0
    dead_s: float = 6.0
    fast_s: float = 1.5
    fast_units: int = 240
    changes: int = 200
    change_every_s: float = 0.03
    alarms_on_links: bool = False
    video_s: float = 12.0
    busy_cameras: int = 8
    history: int = 2
    console_presses: int = 60
    cold: int = 10
    watched_s: float = 20.0
    minutes: int = 20


QUICK = Size()
FULL = Size(
    slow=6_000,
    fast=30_000,
    presses=1_000,
    many=1_000_000,
    each=20_000,
    polled_s=65,
    dead_s=60,
    fast_s=10,
    changes=2_000,
    change_every_s=0.05,
    alarms_on_links=True,
    video_s=65,
    busy_cameras=64,
    history=64,
    console_presses=200,
    cold=50,
    watched_s=60.0,
    minutes=100,
)
