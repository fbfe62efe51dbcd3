"""What a person reads about disks and days: each thing once, with what to do about it."""

from pathlib import Path

import pytest

from gateway.recorder.disks import (
    figures,
    label,
    of_forecast,
    of_index,
    of_retention,
    of_volumes,
)
from gateway.store.video import Forecast, Refused, State, Volumes
from tests.clocks import FakeClock


def volumes_at(*paths: str) -> Volumes:
    """Volumes nobody looked at, all sound."""
    volumes = Volumes.open([Path(path) for path in paths], site="s", clock=FakeClock())
    for volume in volumes.all:
        volume.state = State.OK
    return volumes


@pytest.mark.parametrize("state", [state for state in State if state is not State.OK])
def test_every_state_of_a_volume_but_sound_is_a_finding_that_says_what_becomes_of_video(
    state: State,
) -> None:
    volumes = volumes_at("/srv/a", "/srv/b")
    try:
        assert list(of_volumes(volumes, Path("/etc/g"))) == []
        volumes.all[0].fail(state, "why")
        [finding] = of_volumes(volumes, Path("/etc/g"))
        assert finding.key.endswith(".srv-a")
        assert finding.attributes["state"] == str(state)
        assert "recording goes on elsewhere" in finding.text
        volumes.all[1].fail(State.GONE, "why")
        assert all("nothing is recorded" in f.text for f in of_volumes(volumes, Path("/etc/g")))
    finally:
        volumes.stop()


def test_of_a_volume_that_is_away_no_figure_is_made_up() -> None:
    volumes = volumes_at("/srv/a", "/srv/b")
    try:
        for volume in volumes.all:
            volume.uuid, volume.free_bytes, volume.total_bytes = "u", 3, 10
        volumes.all[1].fail(State.GONE, "why")
        assert figures(volumes) == (
            {"path": "/srv/a", "state": "ok", "free_bytes": 3, "size_bytes": 10},
            {"path": "/srv/b", "state": "gone", "free_bytes": None, "size_bytes": None},
        )
    finally:
        volumes.stop()


def test_a_wrong_mount_names_the_command_as_it_has_to_be_typed() -> None:
    volumes = volumes_at("/srv/video 1")
    try:
        volumes.all[0].fail(State.WRONG_MOUNT, "why")
        [finding] = of_volumes(volumes, Path("/etc/campus gateway"))
        command = "campus-gateway video adopt --config '/etc/campus gateway' '/srv/video 1'"
        assert finding.attributes["command"] == command
        assert finding.key == "video-mount.srv-video-1"
    finally:
        volumes.stop()


def test_volumes_whose_paths_look_alike_have_keys_of_their_own() -> None:
    volumes = volumes_at("/srv/a-b", "/srv/a/b", "/", "/录像")
    try:
        labels = [label(volumes, volume) for volume in volumes.all]
        assert labels == ["srv-a-b", "srv-a-b-2", "root", "root-2"]
    finally:
        volumes.stop()


def test_each_threshold_that_was_passed_is_a_finding_of_its_own() -> None:
    def keys(left: int | None) -> list[str]:
        ahead = Forecast(10**12, 10**13, left, None)
        return [finding.key for finding in of_forecast(ahead, (14, 7, 2), 90)]

    assert keys(None) == []
    assert keys(60) == ["video-shortfall"]
    assert keys(14) == ["video-shortfall"]
    assert keys(13) == ["video-full.14", "video-shortfall"]
    assert keys(6) == ["video-full.7", "video-full.14", "video-shortfall"]
    assert keys(0) == ["video-full.2", "video-full.7", "video-full.14", "video-shortfall"]


def test_a_day_that_could_not_be_reckoned_is_no_finding() -> None:
    assert list(of_forecast(Forecast(None, 10**13, None, None), (14,), 90)) == []


@pytest.mark.parametrize(
    ("refused", "key"),
    [
        (None, None),
        (Refused.HOLDS_UNKNOWN, "video-holds"),
        (Refused.CLOCK_STEPPED, "video-retention"),
        (Refused.CLOCK_UNTRUSTED, "video-retention"),
    ],
)
def test_why_nothing_is_removed_is_told(refused: Refused | None, key: str | None) -> None:
    assert [finding.key for finding in of_retention(refused)] == ([] if key is None else [key])


def test_an_index_that_fails_or_was_rebuilt_is_told() -> None:
    assert list(of_index([], None)) == []
    assert [each.key for each in of_index(["moved"], "disk I/O")] == [
        "video-index",
        "video-rebuilt",
    ]
