"""The verifier's Ed25519 against RFC 8032's vectors and against another implementation."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.evidence.verifier import ed25519_holds

# RFC 8032 section 7.1: secret, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_hold_and_nothing_near_them_does(
    secret: str, public: str, message: str, signature: str
) -> None:
    key, said, signed = (bytes.fromhex(text) for text in (public, message, signature))
    made = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert made.sign(said) == signed, "the vector is as the RFC prints it"
    assert made.public_key().public_bytes_raw() == key
    assert ed25519_holds(key, said, signed)
    assert not ed25519_holds(key, said + b"\0", signed)
    for at in range(0, 64, 7):
        assert not ed25519_holds(key, said, _flipped(signed, at))
    for at in range(0, 32, 5):
        assert not ed25519_holds(_flipped(key, at), said, signed)


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_it_agrees_with_another_implementation(secret: bytes, message: bytes, bit: int) -> None:
    made = Ed25519PrivateKey.from_private_bytes(secret)
    key, signed = made.public_key().public_bytes_raw(), made.sign(message)
    assert ed25519_holds(key, message, signed)
    wrong = bytearray(signed)
    wrong[bit // 8] ^= 1 << bit % 8
    assert not ed25519_holds(key, message, bytes(wrong))


def test_a_scalar_that_is_too_large_is_refused_although_the_equation_would_hold() -> None:
    made = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    signed = made.sign(b"x")
    scalar = int.from_bytes(signed[32:], "little") + ORDER
    other = signed[:32] + scalar.to_bytes(32, "little")
    assert not ed25519_holds(made.public_key().public_bytes_raw(), b"x", other)


@given(st.binary(max_size=40), st.binary(max_size=70))
@settings(max_examples=30, deadline=None)
def test_any_bytes_are_no_signature(key: bytes, signature: bytes) -> None:
    assert not ed25519_holds(key, b"x", signature)


def test_a_point_with_a_coordinate_beyond_the_field_is_refused() -> None:
    assert not ed25519_holds(b"\xff" * 31 + b"\x7f", b"x", bytes(64))


def _flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
