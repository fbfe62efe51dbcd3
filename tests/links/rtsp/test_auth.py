"""Digest and Basic against published examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.auth import Answerer, parse_challenges


def answer(user, password, challenge, method, uri, nonce="0a4f113b"):
    answerer = Answerer(user, password, allow_basic=True)
    assert answerer.take(parse_challenges([challenge]))
    return answerer.header(method, uri, nonce) or ""


def test_the_example_of_rfc_2617():
    said = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    proof = answer("Mufasa", "Circle Of Life", said, "GET", "/dir/index.html")

    assert 'response="6629fae49393a05397450978507c4ef1"' in proof
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in proof
    assert "nc=00000001" in proof


def test_the_example_of_rfc_7616_in_sha_256():
    said = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    proof = answer("Mufasa", "Circle of Life", said, "GET", "/dir/index.html", cnonce)

    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in proof


def test_a_camera_without_qop():
    said = 'Digest realm="IP Camera", nonce="c0ffee0123456789"'
    uri = "rtsp://127.0.0.1:8554/Streaming/Channels/101"

    assert 'response="f2f1a14b25d9404e186543247ca3679d"' in answer(
        "admin", "secret", said, "DESCRIBE", uri
    )


def test_several_challenges_in_one_header_are_told_apart():
    (first, second, third) = parse_challenges(
        [
            'Digest realm="a, Basic b", nonce="x\\"y", algorithm=SHA-256, Basic realm="z"',
            "Digest nonce=bare,stale=TRUE",
        ]
    )

    assert first.parameters == {"realm": "a, Basic b", "nonce": 'x"y', "algorithm": "SHA-256"}
    assert (second.scheme, second.parameters) == ("basic", {"realm": "z"})
    assert third.stale
    assert not first.stale


@pytest.mark.parametrize(
    "said", ["Digest algorithm=SHA-512, nonce=x", "NTLM", "", "Digest qop=auth"]
)
def test_what_is_not_known_is_not_answered(said):
    answerer = Answerer("u", "p", allow_basic=True)

    assert not answerer.take(parse_challenges([said]))
    assert answerer.header("GET", "/", "n") is None


def test_no_secret_is_in_what_is_printed():
    assert "sesame" not in repr(Answerer("user", "sesame", allow_basic=True))


@given(st.lists(st.text(max_size=200), max_size=4), st.text(max_size=20))
def test_any_header_is_read(headers, nonce):
    answerer = Answerer("u", "p", allow_basic=True)
    if answerer.take(parse_challenges([*headers, f'Digest nonce="{nonce}", realm=r'])):
        proof = answerer.header("GET", "/", "n")
        assert proof is not None
        assert proof.startswith("Digest ")
