"""The key evidence is signed with: one for each gateway, made when it is first needed.

Owns    STORE/evidence-key (mode 0600, PKCS #8 in PEM). Nobody else reads it.
Needs   cryptography; the verifier for what a public key looks like to people.
Keeps   1. The secret is in that file and in this object's signature function, and nowhere else: no
           log, answer, repr or error has it.
        2. A key once made is never replaced: one that cannot be read is an error for a person,
           because a new one would make all that was told about the old one wrong.
        3. A file that others may read is refused: its secret may be known.
"""

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.errors import StoreError
from gateway.evidence import verifier
from gateway.store.disk import own_like, sync_folder

FILE: Final = "evidence-key"
_SIZE_MOST_BYTES: Final = 4096


class SigningKey:
    """Made by open_key()."""

    def __init__(self, secret: Ed25519PrivateKey) -> None:
        self._sign = secret.sign
        self.public = secret.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    @property
    def fingerprint(self) -> str:
        """What a package's receiver compares: SHA-256 of the public key."""
        return verifier.fingerprint(self.public)

    @property
    def pem(self) -> bytes:
        """The public key as a file."""
        return verifier.pem_of(self.public)

    def sign(self, manifest: bytes) -> bytes:
        """Sign a manifest's bytes."""
        return self._sign(verifier.SIGNED_PREFIX + manifest)


def open_key(store: Path) -> SigningKey:
    """Read the key, or make it. Blocks for two syncs then. Raises StoreError."""
    path = store / FILE
    try:
        raw = _read(path)
        if raw is None:
            _make(path)
            raw = _read(path)
        secret = serialization.load_pem_private_key(raw or b"", password=None)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; no evidence without the key") from error
    except (ValueError, TypeError):
        secret = None  # what the library says of it might quote it
    if not isinstance(secret, Ed25519PrivateKey):
        raise StoreError(
            f"{path}: 签名密钥无法读取，请从备份恢复；删除它会换用新密钥"
            " the signing key cannot be read: restore it from a copy; removing it means a new key"
        )
    return SigningKey(secret)


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            raise StoreError(
                f"{path}: 权限应为 0600 its mode must be 0600: others may know the key"
            )
        return file.read(_SIZE_MOST_BYTES)


def _make(path: Path) -> None:
    """Write a new key under a name of its own, then give it the name, unless somebody was first."""
    secret = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        own_like(fresh, path.parent)
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return  # two exports at once: the other one's key is the gateway's
        sync_folder(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
