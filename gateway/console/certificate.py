"""Certificate: the console's own, made at the first run where the installer gave none.

Owns    STORE/tls/console.pem and console.key (mode 0600): ECDSA P-256, signed by itself.
Needs   cryptography, gateway.clock.
Keeps   1. It names the machine: its host names and addresses, and where it listens; names it had
           once stay, so that nobody's browser is surprised by another network cable.
        2. It is renewed RENEW_DAYS before it ends, with the same key, and taken by the running
           server for its next connection.
        3. The key is in that file and in the server's TLS context, and nowhere else.
        4. A file that is damaged or that others may read is replaced: nobody was told to trust more
           than a fingerprint, and the new one is printed.
Bound   NAMES_MOST names. VALID_DAYS is the most that browsers take.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import os
import socket
import ssl
import stat
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.clock import Clock
from gateway.store.disk import own_like, sync_folder

FOLDER: Final = "tls"
VALID_DAYS: Final = 825
RENEW_DAYS: Final = 60
LOOK_S: Final = 6 * 3600.0
NAMES_MOST: Final = 64
NAME_CHARS: Final = 253
FILE_BYTES: Final = 64 * 1024
_SIOCGIFADDR: Final = 0x8915
_IF_INET6: Final = Path("/proc/net/if_inet6")


@dataclass(frozen=True, slots=True)
class Own:
    """The certificate as it stands: its fingerprint is what a person compares."""

    cert: Path
    key: Path
    fingerprint: str


class OwnCertificate:
    """See the module. listen is the host of the configuration."""

    def __init__(self, store: Path, clock: Clock, listen: str) -> None:
        self._folder = store / FOLDER
        self._cert = self._folder / "console.pem"
        self._key = self._folder / "console.key"
        self._clock = clock
        self._listen = listen

    def ready(self, here: Sequence[str] | None = None) -> Own:
        """Return the certificate, made or renewed where it must be. Blocks. Raises OSError.

        here  names and addresses of this machine, None to ask it
        """
        wanted = _bounded([*(local_names() if here is None else here), self._listen])
        key, cert = self._read()
        if cert is not None and set(wanted) <= set(names_of(cert)) and not self._is_due(cert):
            return self._own(cert)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        own_like(self._folder, self._folder.parent)
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self._key, _pem(key))
        before = [] if cert is None else names_of(cert)
        cert = self._signed(key, _bounded([*wanted, *before]))
        _write(self._cert, cert.public_bytes(serialization.Encoding.PEM))
        sync_folder(self._folder)
        return self._own(cert)

    def renew(self, context: ssl.SSLContext) -> Own | None:
        """Renew it when that is due, for new connections of a server; None when it is not."""
        _, cert = self._read()
        if cert is not None and not self._is_due(cert):
            return None
        own = self.ready()
        context.load_cert_chain(own.cert, own.key)
        return own

    async def watch(
        self, context: Callable[[], ssl.SSLContext | None], told: Callable[[Own], None]
    ) -> None:
        """Look every LOOK_S, for ever, whether it must be renewed; tell when it was."""
        while True:
            await self._clock.sleep(LOOK_S)
            running = context()
            if running is None:
                continue  # the server is not up; what starts it looks for itself
            own = await asyncio.to_thread(self.renew, running)
            if own is not None:
                told(own)

    def _is_due(self, cert: x509.Certificate) -> bool:
        now = self._now()
        ends = cert.not_valid_after_utc - timedelta(days=RENEW_DAYS)
        return not cert.not_valid_before_utc <= now < ends

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.utc_ns() // 10**9, UTC)

    def _own(self, cert: x509.Certificate) -> Own:
        digest = cert.fingerprint(hashes.SHA256()).hex().upper()
        pairs = (digest[at : at + 2] for at in range(0, len(digest), 2))
        return Own(self._cert, self._key, ":".join(pairs))

    def _signed(self, key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> x509.Certificate:
        now = self._now()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "campus gateway"),
                x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64]),
            ]
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))  # clocks of consoles differ
            .not_valid_after(now + timedelta(days=VALID_DAYS - 1))
            .add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA256())
        )

    def _read(self) -> tuple[ec.EllipticCurvePrivateKey | None, x509.Certificate | None]:
        """Return the key and its certificate, None for what is not there or no good."""
        try:
            if stat.S_IMODE(self._key.stat().st_mode) & 0o077:
                return None, None  # others may have read it
            key = serialization.load_pem_private_key(_bytes(self._key), password=None)
        except (OSError, ValueError, TypeError):
            return None, None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return None, None
        try:
            cert = x509.load_pem_x509_certificate(_bytes(self._cert))
        except (OSError, ValueError):
            return key, None
        return key, cert if cert.public_key() == key.public_key() else None


def names_of(cert: x509.Certificate) -> list[str]:
    """Return the names and addresses a certificate is for."""
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = [*found.get_values_for_type(x509.DNSName)]
    return [*names, *map(str, found.get_values_for_type(x509.IPAddress))]


def local_names() -> list[str]:
    """Return this machine's host names and addresses, its own first and loopback last."""
    host = socket.gethostname()
    names = [host]
    with contextlib.suppress(OSError):
        names.append(socket.getfqdn(host))
    return [*names, *_outward(), *_ipv4(), *_ipv6(), "localhost", "127.0.0.1", "::1"]


def _outward() -> Iterable[str]:
    """Our end of the way out, which a service may ask for that sees no interfaces."""
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((elsewhere, 9))  # sends nothing
            yield str(asking.getsockname()[0])


def _ipv4() -> Iterable[str]:
    try:
        interfaces = socket.if_nameindex()
    except OSError:
        return  # systemd's sandbox hides them
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in interfaces:
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # an interface without an address
                told = fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)
                yield socket.inet_ntoa(told[20:24])


def _ipv6() -> Iterable[str]:
    try:
        lines = _IF_INET6.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        with contextlib.suppress(ValueError, IndexError):
            address = ipaddress.IPv6Address(int(line.split()[0], 16))
            if not address.is_link_local:  # nobody types one of those
                yield str(address)


def _bounded(names: Iterable[str]) -> list[str]:
    """Return what can stand in a certificate, once each, NAMES_MOST at most."""
    found: dict[str, None] = {}
    for name in names:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            plain = name.rstrip(".").lower()
            if 0 < len(plain) <= NAME_CHARS and plain.isascii() and plain.isprintable():
                found[plain] = None
        else:
            if not address.is_unspecified:  # 0.0.0.0 is everywhere and nobody's address
                found[str(address)] = None
    return [*found][:NAMES_MOST] or ["localhost"]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES)


def _write(path: Path, body: bytes) -> None:
    fresh = path.with_name(f"{path.name}.tmp")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # a left-over of a crash may have had another mode
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    own_like(fresh, path.parent)
    fresh.replace(path)
