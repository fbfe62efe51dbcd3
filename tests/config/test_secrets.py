"""Secrets and keys: where they may come from, and who else can read them."""

import pytest
import trustme

from tests.config.conftest import GATEWAY, Installation


@pytest.fixture
def secret(installation: Installation) -> Installation:
    """The installation with a password file, in a place that every user may enter."""
    installation.gateway(
        GATEWAY.replace("url = ", 'username = "g"\npassword_file = "mqtt"\nurl = ', 1)
    )
    installation.write("mqtt", "kept-to-ourselves\n").chmod(0o640)
    return installation


def let_everybody_in(installation: Installation) -> None:
    for parent in [installation.folder, *installation.folder.parents][:-1]:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001)


def test_a_line_end_after_a_secret_is_not_part_of_it(secret: Installation) -> None:
    assert secret.load().links[0].password == "kept-to-ourselves"


def test_a_secret_may_come_from_the_environment(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPUS_MQTT", "from-outside")
    installation.gateway(
        GATEWAY.replace("url = ", 'username = "g"\npassword_env = "CAMPUS_MQTT"\nurl = ', 1)
    )
    assert installation.load().links[0].password == "from-outside"


def test_a_secret_everybody_can_read_is_refused_with_the_command_that_repairs_it(
    secret: Installation,
) -> None:
    let_everybody_in(secret)
    file = secret.folder / "mqtt"
    file.chmod(0o644)
    assert secret.faults() == [
        'gateway.toml: link["field"].password_file: 本机所有用户都能读 mqtt / every user of this '
        "machine can read mqtt, expected 先运行 chmod 640 mqtt / a private file: run chmod 640 mqtt"
    ]
    file.chmod(0o640)
    assert secret.load().links[0].password == "kept-to-ourselves"


def test_a_folder_that_others_may_not_enter_protects_what_is_in_it(secret: Installation) -> None:
    (secret.folder / "mqtt").chmod(0o644)
    secret.folder.chmod(0o750)
    assert secret.load().links[0].password == "kept-to-ourselves"


def test_the_secret_of_a_receiver_is_judged_in_the_same_way(installation: Installation) -> None:
    installation.gateway(GATEWAY.replace('url = "http:', 'secret_file = "police"\nurl = "http:', 1))
    installation.write("police", "whsec_c2VjcmV0LW9mLXRoZS1wb2xpY2UtbGluZQ==").chmod(0o644)
    let_everybody_in(installation)
    assert [line.split(": ")[1] for line in installation.faults()] == [
        'uplink["police"].secret_file'
    ]


def test_bytes_that_are_no_text_are_no_secret(secret: Installation) -> None:
    (secret.folder / "mqtt").write_bytes(b"\xff\xfe")
    assert secret.faults() == [
        'gateway.toml: link["field"].password_file: mqtt 不是 UTF-8 文字 / mqtt is no UTF-8 text, '
        "expected 一行密码 / one line with the secret"
    ]


def test_a_file_the_system_will_not_open_is_told_with_the_systems_reason(
    secret: Installation,
) -> None:
    file = secret.folder / "mqtt"
    file.unlink()
    file.symlink_to(file)
    assert secret.faults() == [
        'gateway.toml: link["field"].password_file: 读不了 mqtt：Too many levels of symbolic links '
        "/ cannot read mqtt: Too many levels of symbolic links, expected 网关用户可读的文件 / "
        "a file that the gateway's user can read"
    ]


def test_a_console_with_certificate_and_key_may_listen_to_everybody(
    installation: Installation,
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("gateway.example")
    certificate.cert_chain_pems[0].write_to_path(str(installation.folder / "c.pem"))
    certificate.private_key_pem.write_to_path(str(installation.folder / "c.key"))
    (installation.folder / "c.key").chmod(0o600)
    installation.add(
        "gateway.toml", '[console]\nlisten = "0.0.0.0:8443"\ncert = "c.pem"\nkey = "c.key"\n'
    )
    console = installation.load().console
    assert (console.host, console.port) == ("0.0.0.0", 8443)
    assert console.cert == installation.folder / "c.pem"
