"""Whatever is changed in a package is named; nothing changed is ever good."""

import hashlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.evidence import SigningKey, verifier
from tests.evidence.world import GATE, School, contents, rewrite, run_alone

Members = dict[str, bytes]
EVENT = "events.jsonl"


def fault_of(path: Path, key: str = "") -> str:
    found = verifier.check(path, key)
    assert found.fault is not None
    return found.fault


def signed(path: Path, members: Members, key: SigningKey) -> Path:
    """What a forger makes who has a key of his own: all hashes and the signature anew."""
    members["public-key.pem"] = key.pem
    manifest = json.loads(members["manifest.json"])
    manifest["key"] = key.fingerprint
    manifest["members"] = [
        {
            "name": name,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in members.items()
        if name not in {"manifest.json", "manifest.sig"}
    ]
    members["manifest.json"] = json.dumps(manifest, ensure_ascii=False).encode()
    members["manifest.sig"] = key.sign(members["manifest.json"]).hex().encode() + b"\n"
    return rewrite(path, members.items())


@pytest.fixture(scope="module")
def forger() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def places(package: Path, each: int) -> list[int]:
    """Bytes to flip: of every header and the directory each third, of every member some."""
    with package.open("rb") as file:
        found = verifier.Package(file, lambda _bytes: None)
        found.walk()
        chosen: set[int] = set()
        for member in found.members.values():
            chosen.update(range(member.header_at, member.at, 3))
            step = max(1, member.size // each)
            chosen.update(range(member.at, member.at + member.size, step))
            end = member.at + member.size
        chosen.update(range(end, found.length, 5))
        chosen.add(found.length - 1)
    return sorted(chosen)


def flips(package: Path, path: Path, chosen: list[int], dice: random.Random) -> None:
    content = package.read_bytes()
    for at in chosen:
        changed = bytearray(content)
        changed[at] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        fault = verifier.check(path).fault
        assert fault, f"byte {at}"
        assert len(fault) < 2000


def test_a_flipped_byte_anywhere_is_named(package: Path, tmp_path: Path) -> None:
    flips(package, tmp_path / "flipped.zip", places(package, 40), random.Random(1))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_each_flipped_byte_is_named(package: Path, tmp_path: Path) -> None:
    everywhere = list(range(package.stat().st_size))
    flips(package, tmp_path / "flipped.zip", everywhere, random.Random(2))


def test_the_verifier_inside_names_it_too(package: Path, tmp_path: Path) -> None:
    """All that Python still takes for a package of its own: the verifier in it must run."""
    content = package.read_bytes()
    with package.open("rb") as file:
        found = verifier.Package(file, lambda _bytes: None)
        found.walk()
    for name in (EVENT, f"stills/{GATE}.jpg", "timeline.json", "manifest.json", "manifest.sig"):
        changed = bytearray(content)
        changed[found.members[name].at + 5] ^= 1
        path = tmp_path / "flipped.zip"
        path.write_bytes(changed)
        ended = run_alone(path)
        assert ended.returncode == 1
        assert name in ended.stdout
        assert "GOOD:" in ended.stdout
        assert "完好" not in ended.stdout


@given(cut=st.integers(0, 2**20))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_package_that_was_cut_off_is_not_good(package: Path, tmp_path: Path, cut: int) -> None:
    content = package.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: cut % len(content)])
    assert fault_of(path)


@given(st.binary(max_size=300))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_get_an_answer(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "any.zip"
    path.write_bytes(raw)
    assert fault_of(path)
    path.write_bytes(b"PK\3\4" + raw)
    assert fault_of(path)


def test_what_is_before_behind_or_between_is_named(package: Path, tmp_path: Path) -> None:
    content = package.read_bytes()
    path = tmp_path / "more.zip"
    path.write_bytes(b"#!/usr/bin/env python3\n" + content)
    assert "beginning" in fault_of(path)
    path.write_bytes(content + b"\0")
    assert "behind the end" in fault_of(path)
    path.write_bytes(content + content[-22:])
    assert "behind the end" in fault_of(path)
    at = content.index(b"PK\1\2")
    path.write_bytes(content[:at] + b"hidden" + content[at:])
    assert "manifest.sig" in fault_of(path)
    path.write_bytes(content[:at] + content[at:-22] * 2 + content[-22:])
    assert "directory" in fault_of(path), "two directories"
    path.write_bytes(content[:-2] + struct.pack("<H", 4) + b"note")
    assert "end does not match" in fault_of(path), "a comment"


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "video/../../x", "a\\b", "video//x", "x/", ".hidden", "a b", "C:x"],
)
def test_names_that_lead_elsewhere_are_refused(package: Path, tmp_path: Path, name: str) -> None:
    members = list(contents(package).items())
    path = rewrite(tmp_path / "names.zip", [(name, b"x"), *members])
    assert "no such name" in fault_of(path)


def test_a_name_that_is_there_twice_is_refused(package: Path, tmp_path: Path) -> None:
    members = list(contents(package).items())
    path = rewrite(tmp_path / "twice.zip", [*members, (EVENT, b"")])
    assert fault_of(path).startswith(f"{EVENT}: 出现两次")


def test_a_member_that_does_not_belong_is_named(
    package: Path, tmp_path: Path, forger: SigningKey
) -> None:
    members = contents(package)
    more = list(members.items())
    more.insert(3, ("more.txt", b"x"))  # signed anew it is listed, and still out of place
    assert "more.txt" in fault_of(rewrite(tmp_path / "more.zip", more))
    assert "events.jsonl" in fault_of(signed(tmp_path / "more.zip", dict(more), forger))
    fewer = {name: members[name] for name in members if name != "deliveries.json"}
    assert "deliveries.json" in fault_of(rewrite(tmp_path / "fewer.zip", fewer.items()))
    assert "deliveries.json" in fault_of(signed(tmp_path / "fewer.zip", fewer, forger))


def change_event(members: Members) -> str:
    members[EVENT] = members[EVENT].replace("按下".encode(), "没事".encode(), 1)
    return EVENT


def seal_event_anew(members: Members) -> str:
    """A forger who knows how a record is hashed."""
    lines = members[EVENT].splitlines()
    head = lines[0][: lines[0].rindex(b',"hash":"')].replace("按下".encode(), "没事".encode())
    lines[0] = head + b',"hash":"' + hashlib.sha256(head).hexdigest().encode() + b'"}}'
    members[EVENT] = b"\n".join(lines) + b"\n"
    return EVENT


def leave_out_event(members: Members) -> str:
    """Nothing shows that a record is not there whose hash alone is: but a broken chain does."""
    lines = members["events-chain.jsonl"].splitlines()
    members["events-chain.jsonl"] = b"\n".join([lines[0], *lines[2:]]) + b"\n"
    return "events"


def reorder_events(members: Members) -> str:
    lines = members[EVENT].splitlines()
    members[EVENT] = b"\n".join([lines[1], lines[0], *lines[2:]]) + b"\n"
    return EVENT


def change_audit(members: Members) -> str:
    members["audit.jsonl"] = members["audit.jsonl"].replace("张三".encode(), "王五".encode(), 1)
    return "audit.jsonl"


def swap_segments(members: Members) -> str:
    first, second = [name for name in members if name.startswith(f"video/{GATE}/")][:2]
    members[first], members[second] = members[second], members[first]
    return first


def change_video(members: Members) -> str:
    name = next(name for name in members if name.startswith(f"video/{GATE}/"))
    content = bytearray(members[name])
    content[600] ^= 1
    members[name] = bytes(content)
    return name


def _timeline(members: Members, change: Callable[[dict], None]) -> str:  # type: ignore[type-arg]
    timeline = json.loads(members["timeline.json"])
    change(timeline["cameras"][0])
    members["timeline.json"] = json.dumps(timeline).encode()
    return "timeline.json"


def remove_gap(members: Members) -> str:
    return _timeline(members, lambda camera: camera["gaps"].clear())


def shorten_gap(members: Members) -> str:
    def change(camera: dict) -> None:  # type: ignore[type-arg]
        camera["gaps"][0]["to_ns"] -= 1_000_000_000

    return _timeline(members, change)


def lengthen_segment(members: Members) -> str:
    def change(camera: dict) -> None:  # type: ignore[type-arg]
        camera["segments"][1]["end_ns"] += 60_000_000_000

    return _timeline(members, change)


def hide_segment(members: Members) -> str:
    """Its hash tells of timeline.json; signed anew, the segment is there and nobody lists it."""

    def change(camera: dict) -> None:  # type: ignore[type-arg]
        gone = camera["segments"].pop(0)
        end = gone["end_ns"]
        camera["gaps"].append({"from_ns": gone["start_ns"], "to_ns": end, "reason": "unknown"})

    return _timeline(members, change)


def break_timeline(members: Members) -> str:
    members["timeline.json"] = b'{"cameras": [{"camera": 5, "segments": [7], "gaps": {}}]}'
    return "timeline.json"


def name_twice(members: Members) -> str:
    members["timeline.json"] = b'{"cameras": [], "cameras": []}'
    return "timeline.json"


CHANGES = [
    change_event,
    seal_event_anew,
    leave_out_event,
    reorder_events,
    change_audit,
    swap_segments,
    change_video,
    remove_gap,
    shorten_gap,
    lengthen_segment,
    hide_segment,
    break_timeline,
    name_twice,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_whoever_made_the_hashes_anew(
    package: Path, tmp_path: Path, forger: SigningKey, change: Callable[[Members], str]
) -> None:
    members = contents(package)
    name = change(members)
    without_key = fault_of(rewrite(tmp_path / "changed.zip", members.items()))
    assert name in without_key
    assert "manifest" in without_key, "the manifest's hash is what does not match"
    assert name in fault_of(signed(tmp_path / "signed.zip", members, forger)), (
        "what is inside contradicts itself, whoever signs it"
    )


def test_a_package_signed_anew_is_good_and_another_ones(
    school: School, package: Path, tmp_path: Path, forger: SigningKey
) -> None:
    members = contents(package)
    path = signed(tmp_path / "forged.zip", members, forger)
    found = verifier.check(path)
    assert found.fault is None
    assert found.key == forger.fingerprint != school.key.fingerprint
    assert "其余" not in "".join(verifier.report(found, with_key=False))
    assert school.key.fingerprint in fault_of(path, school.key.fingerprint)
    pem = tmp_path / "school.pem"
    pem.write_bytes(school.key.pem)
    assert run_alone(path).returncode == 0
    assert run_alone(path, "--key", str(pem)).returncode == 1
    assert run_alone(package, "--key", str(pem)).returncode == 0
    assert run_alone(package, "--key", "nonsense").returncode == 2


def test_a_signature_by_another_key_than_the_one_inside_is_named(
    package: Path, tmp_path: Path, forger: SigningKey
) -> None:
    members = contents(package)
    members["manifest.sig"] = forger.sign(members["manifest.json"]).hex().encode() + b"\n"
    assert fault_of(rewrite(tmp_path / "x.zip", members.items())).startswith("manifest.sig")
    members["public-key.pem"] = forger.pem
    assert fault_of(rewrite(tmp_path / "x.zip", members.items())).startswith("manifest.json: key")


def test_an_unreadable_package_is_said_to_be_so(tmp_path: Path) -> None:
    assert "cannot be read" in fault_of(tmp_path / "nowhere.zip")
    assert "cannot be read" in fault_of(tmp_path)


def test_what_steers_a_terminal_is_not_shown(
    package: Path, tmp_path: Path, forger: SigningKey
) -> None:
    members = contents(package)
    manifest = json.loads(members["manifest.json"])
    manifest["reason"] = "\x1b]0;x\x07\x1b[2J\u202e" + "y" * 9999
    members["manifest.json"] = json.dumps(manifest).encode()
    found = verifier.check(signed(tmp_path / "steering.zip", members, forger))
    shown = "".join(verifier.report(found, with_key=False))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "y" * 500 not in shown
