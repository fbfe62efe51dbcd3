"""Only who knows the word may look, and only with the question that was asked."""

import base64
import hashlib
import random

import pytest

from simulators.cameras.auth import Door, Scheme

URI = "rtsp://127.0.0.1:8554/Streaming/Channels/101"


def door(scheme: Scheme, nonce_requests: int | None = None) -> Door:
    return Door(scheme, "admin", "secret", random.Random(1), nonce_requests)


def asked(one: Door) -> str:
    challenge = one.challenges()[0]
    return challenge.partition('nonce="')[2].partition('"')[0]


def digest(nonce: str, password: str = "secret", method: str = "DESCRIBE") -> str:
    one = hashlib.md5(f"admin:IP Camera:{password}".encode()).hexdigest()
    two = hashlib.md5(f"{method}:{URI}".encode()).hexdigest()
    response = hashlib.md5(f"{one}:{nonce}:{two}".encode()).hexdigest()
    return (
        f'Digest username="admin", realm="IP Camera", nonce="{nonce}", uri="{URI}", '
        f'response="{response}"'
    )


def test_a_known_digest_is_admitted() -> None:
    """The vector was taken from a client that is not ours."""
    one = door(Scheme.DIGEST)
    one._nonce = "c0ffee0123456789"
    said = (
        'Digest username="admin", realm="IP Camera", nonce="c0ffee0123456789", '
        f'uri="{URI}", response="f2f1a14b25d9404e186543247ca3679d"'
    )
    assert one.admits("DESCRIBE", said)
    assert not one.admits("SETUP", said)


def test_a_digest_is_good_for_one_word_one_method_one_nonce() -> None:
    one = door(Scheme.DIGEST)
    nonce = asked(one)
    assert one.admits("DESCRIBE", digest(nonce))
    assert not one.admits("DESCRIBE", digest(nonce, password="guess"))
    assert not one.admits("PLAY", digest(nonce))
    assert not one.admits("DESCRIBE", digest("invented"))
    assert 'stale="TRUE"' in one.challenges()[0]
    assert not one.admits("DESCRIBE", digest(nonce))


def test_a_nonce_wears_out_and_says_so() -> None:
    one = door(Scheme.DIGEST, nonce_requests=2)
    nonce = asked(one)
    assert [one.admits("DESCRIBE", digest(nonce)) for _ in range(3)] == [True, True, False]
    assert "stale" in one.challenges()[0]


@pytest.mark.parametrize("scheme", [Scheme.BASIC, Scheme.BOTH])
def test_basic_is_admitted_where_it_is_offered(scheme: Scheme) -> None:
    right = "Basic " + base64.b64encode(b"admin:secret").decode()
    wrong = "Basic " + base64.b64encode(b"admin:guess").decode()
    one = door(scheme)
    assert any(value.startswith("Basic") for value in one.challenges())
    assert one.admits("DESCRIBE", right)
    assert not one.admits("DESCRIBE", wrong)
    assert not door(Scheme.DIGEST).admits("DESCRIBE", right)


def test_sha_256_is_offered_first_and_md5_still_taken() -> None:
    one = door(Scheme.DIGEST_SHA256)
    first, second = one.challenges()
    assert "SHA-256" in first
    assert "MD5" in second
    assert one.admits("DESCRIBE", digest(one._nonce))
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in (
        "admin:IP Camera:secret", f"DESCRIBE:{URI}")]  # fmt: skip
    response = hashlib.sha256(f"{hashes[0]}:{one._nonce}:{hashes[1]}".encode()).hexdigest()
    said = f'username="admin", nonce="{one._nonce}", uri="{URI}", response="{response}"'
    assert one.admits("DESCRIBE", f"Digest {said}, algorithm=SHA-256")
    assert not one.admits("DESCRIBE", f"Digest {said}")


def test_qop_takes_count_and_client_nonce_into_the_digest() -> None:
    one = door(Scheme.DIGEST_QOP)
    nonce = asked(one)
    parts = [hashlib.md5(text.encode()).hexdigest() for text in (
        "admin:IP Camera:secret", f"PLAY:{URI}")]  # fmt: skip
    response = hashlib.md5(f"{parts[0]}:{nonce}:00000001:abc:auth:{parts[1]}".encode()).hexdigest()
    said = f'Digest username="admin", nonce="{nonce}", uri="{URI}", response="{response}"'
    assert one.admits("PLAY", f'{said}, qop=auth, nc=00000001, cnonce="abc"')
    assert not one.admits("PLAY", f'{said}, qop=auth, nc=00000002, cnonce="abc"')
    assert not one.admits("PLAY", said)


@pytest.mark.parametrize("scheme", [one for one in Scheme if one is not Scheme.NONE])
@pytest.mark.parametrize("said", [None, "", "Digest", "Basic", "Bearer x", "Digest nonce="])
def test_nothing_and_nonsense_are_refused(scheme: Scheme, said: str | None) -> None:
    one = door(scheme)
    assert not one.admits("DESCRIBE", said)
    one.challenges()
    assert not one.admits("DESCRIBE", said)
