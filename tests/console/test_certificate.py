"""The console's own certificate: a browser that was told to trust it finds the machine it names."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from gateway.clock import SystemClock
from gateway.console.certificate import (
    NAMES_MOST,
    RENEW_DAYS,
    VALID_DAYS,
    OwnCertificate,
    local_names,
    names_of,
)
from gateway.console.server import ServerSettings
from gateway.console.tokens import TokenBook
from tests.console.conftest import running
from tests.console.memory_desk import FakeClock
from tests.console.test_server import small_app

HERE = ["guard-pc", "192.0.2.7", "2001:db8::7", "localhost", "127.0.0.1"]
DAY_S = 86_400.0


@pytest.fixture
def own(tmp_path: Path, clock: FakeClock) -> OwnCertificate:
    return OwnCertificate(tmp_path, clock, "0.0.0.0")


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_names_the_machine_and_nobody_else_may_read_its_key(own: OwnCertificate) -> None:
    made = own.ready(HERE)
    cert = read(made.cert)
    assert names_of(cert) == ["guard-pc", "localhost", "192.0.2.7", "2001:db8::7", "127.0.0.1"]
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert made.key.parent.stat().st_mode & 0o777 == 0o700
    lasts = cert.not_valid_after_utc - cert.not_valid_before_utc
    assert lasts == timedelta(days=VALID_DAYS)
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert len(made.fingerprint) == 95


def test_it_stays_the_same_until_there_is_a_reason(own: OwnCertificate, clock: FakeClock) -> None:
    first = own.ready(HERE)
    assert own.ready(HERE) == first
    assert own.ready(HERE[:2]) == first, "a cable that is out is no reason"
    clock.forward((VALID_DAYS - RENEW_DAYS - 2) * DAY_S)
    assert own.ready(HERE) == first


def test_it_is_renewed_with_the_same_key_long_before_it_ends(
    own: OwnCertificate, clock: FakeClock
) -> None:
    first = own.ready(HERE)
    before = read(first.cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert own.renew(context) is None
    clock.forward((VALID_DAYS - RENEW_DAYS) * DAY_S)
    renewed = own.renew(context)
    assert renewed is not None
    after = read(renewed.cert)
    assert renewed.fingerprint != first.fingerprint
    assert after.public_key() == before.public_key()
    assert set(names_of(before)) <= set(names_of(after))
    now = datetime.fromtimestamp(clock.utc_ns() // 10**9, UTC)
    assert after.not_valid_after_utc > now + timedelta(days=VALID_DAYS - 2)


def test_a_new_address_is_added_and_the_old_names_stay(own: OwnCertificate) -> None:
    own.ready(HERE)
    cert = read(own.ready(["guard-pc", "198.51.100.9"]).cert)
    assert {"198.51.100.9", "192.0.2.7", "guard-pc"} <= set(names_of(cert))
    many = [f"h{number}.example" for number in range(200)]
    assert len(names_of(read(own.ready(many).cert))) == NAMES_MOST


@pytest.mark.parametrize("damage", ["key", "cert", "open", "mixed"])
def test_what_is_damaged_or_was_open_to_others_is_made_anew(
    own: OwnCertificate, tmp_path: Path, clock: FakeClock, damage: str
) -> None:
    first = own.ready(HERE)
    if damage == "open":
        first.key.chmod(0o640)
    elif damage == "mixed":
        other = OwnCertificate(tmp_path / "other", clock, "")
        (tmp_path / "other").mkdir()
        first.cert.write_bytes(other.ready(HERE).cert.read_bytes())
    else:
        (first.key if damage == "key" else first.cert).write_text("rubbish")
    again = own.ready(HERE)
    assert again.fingerprint != first.fingerprint
    assert again.key.stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(again.cert, again.key)


def test_names_that_no_certificate_can_hold_do_not_stop_it(own: OwnCertificate) -> None:
    made = own.ready(["网关", "", "x" * 400, "::", "gw.example."])
    assert names_of(read(made.cert)) == ["gw.example"]
    assert names_of(read(OwnCertificate(own._folder, own._clock, "").ready(["\n"]).cert))


def test_this_machine_knows_its_names_also_where_it_sees_no_interfaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = local_names()
    assert socket.gethostname() in names
    assert "127.0.0.1" in names

    def hidden() -> list[tuple[int, str]]:
        raise PermissionError

    monkeypatch.setattr(socket, "if_nameindex", hidden)
    monkeypatch.setattr("gateway.console.certificate._IF_INET6", tmp_path / "hidden")
    assert {socket.gethostname(), "localhost"} <= set(local_names())


async def test_a_browser_that_trusts_it_is_served_and_a_renewed_one_holds_at_once(
    tmp_path: Path, clock: FakeClock
) -> None:
    own = OwnCertificate(tmp_path, SystemClock(0), "0.0.0.0")  # the browser has a real clock, too
    first = own.ready(HERE)
    app = small_app(TokenBook(tmp_path / "tokens.json", clock), clock)
    settings = ServerSettings(port=0, cert=first.cert, key=first.key)
    async with running(app, settings) as port:

        async def served_by(trusted: Path) -> str:
            trust = ssl.create_default_context(cafile=str(trusted))
            connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
            async with (
                aiohttp.ClientSession(connector=connector) as http,
                http.get(f"https://localhost:{port}/healthz") as answer,
            ):
                return str(answer.status)

        assert await served_by(first.cert) == "200"
        before = tmp_path / "before.pem"
        before.write_bytes(first.cert.read_bytes())
        first.cert.write_text("rubbish")
        assert own.renew(app.state.tls) is not None
        assert await served_by(first.cert) == "200"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await served_by(before)
