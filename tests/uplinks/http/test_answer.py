"""What an answer means: every class of status, and every body that is or is no receipt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import RECEIPT_STATES, Outcome, Receipt
from gateway.uplinks.http.answer import Answer, judge, read_retry_after

NOW_S = 1_784_000_000.0  # 2026-07-14T03:33:20Z


def ask(status: int, body: bytes = b"", *, demanded: bool = False, **more: object) -> Outcome:
    answer = Answer(status=status, body=body, **more)  # type: ignore[arg-type]
    return judge(answer, ["a-1"], where="peer", name_demanded=demanded, now_s=NOW_S)[0]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_without_a_body_is_a_receipt(status: int) -> None:
    assert ask(status) == Receipt(state="received")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_busy_and_broken_receivers_are_tried_again(status: int) -> None:
    outcome = ask(status, b"busy")
    assert isinstance(outcome, UplinkUnavailable)
    assert f"HTTP {status}" in str(outcome)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 418, 600, 101]
)
def test_any_other_status_parks(status: int) -> None:
    assert isinstance(ask(status), UplinkRejected)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_no_receipt_and_its_query_is_not_shown(status: int) -> None:
    outcome = ask(status, location="https://user:pw@portal.example/login?session=SECRET#frag")
    assert isinstance(outcome, UplinkRejected)
    assert "portal.example/login" in str(outcome)
    assert "SECRET" not in str(outcome)
    assert "pw" not in str(outcome)


@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"OK", b'{"id": ', b"\xff\xfe", b"[" * 9000]
)
def test_a_2xx_with_a_body_that_is_not_json_is_no_receipt(body: bytes) -> None:
    assert isinstance(ask(200, body), UplinkRejected)


@pytest.mark.parametrize(
    "body", [b"  \r\n", b"null", b"{}", b"[]", b'"ok"', b"17", b"\xef\xbb\xbf{}"]
)
def test_a_2xx_with_json_that_names_nobody_is_a_receipt(body: bytes) -> None:
    assert ask(200, body) == Receipt(state="received")


def test_json_after_too_much_of_it_is_no_receipt() -> None:
    assert isinstance(ask(200, b"{}", complete=False), UplinkRejected)


@pytest.mark.parametrize("state", RECEIPT_STATES)
def test_the_state_and_the_receivers_number_are_read(state: str) -> None:
    body = f'{{"id": "a-1", "receipt": "110-7", "state": "{state}"}}'.encode()
    assert ask(200, body) == Receipt(state=state, reference="110-7")


def test_a_state_without_a_word_of_ours_means_received() -> None:
    assert ask(200, b'{"state": "queued", "receipt": 17}') == Receipt(reference="17")


@pytest.mark.parametrize(
    "body", [b'{"id": "a-2"}', b'{"id": 1}', b'[{"id": "a-2"}]', b'{"id": ""}']
)
@pytest.mark.parametrize("demanded", [False, True])
def test_a_receipt_for_another_record_is_no_receipt(body: bytes, demanded: bool) -> None:
    outcome = ask(200, body, demanded=demanded)
    assert isinstance(outcome, UplinkRejected)
    assert "another record" in str(outcome)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b'{"id": null}', b'"a-1"'])
def test_where_the_name_is_demanded_an_answer_without_it_is_no_receipt(body: bytes) -> None:
    assert isinstance(ask(200, body, demanded=True), UplinkRejected)


def test_where_the_name_is_demanded_an_answer_with_it_is_a_receipt() -> None:
    assert ask(200, b'{"id": "a-1"}', demanded=True) == Receipt()


def ask_batch(body: bytes, *, demanded: bool = False) -> list[Outcome]:
    answer = Answer(status=200, body=body)
    return judge(answer, ["a-1", "a-2"], where="peer", name_demanded=demanded, now_s=NOW_S)


def test_a_batch_is_received_as_a_whole_by_an_empty_answer() -> None:
    assert ask_batch(b"") == [Receipt(), Receipt()]


def test_a_batch_takes_one_state_for_all_when_no_id_is_named() -> None:
    assert ask_batch(b'{"state": "accepted"}') == [Receipt(state="accepted")] * 2


def test_each_record_of_a_batch_gets_its_own_receipt() -> None:
    body = b'[{"id": "a-2", "state": "rejected"}, {"id": "a-1", "receipt": "9"}]'
    assert ask_batch(body) == [Receipt(reference="9"), Receipt(state="rejected")]


def test_a_record_that_a_batch_answer_leaves_out_was_received_unless_its_name_is_demanded() -> None:
    body = b'[{"id": "a-1"}]'
    assert ask_batch(body) == [Receipt(), Receipt()]
    named, unnamed = ask_batch(body, demanded=True)
    assert named == Receipt()
    assert isinstance(unnamed, UplinkRejected)


def test_a_batch_answer_that_names_a_stranger_vouches_only_for_those_it_names() -> None:
    named, unnamed = ask_batch(b'[{"id": "a-1"}, {"id": "x"}]')
    assert named == Receipt()
    assert isinstance(unnamed, UplinkRejected)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 3600.0),
        ("Tue, 14 Jul 2026 03:33:30 GMT", 10.0),
        ("Tue, 14 Jul 2020 03:33:30 GMT", 0.0),
        ("Tue, 14 Jul 2026 03:33:30", 10.0),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, NOW_S) == seconds


def test_retry_after_travels_with_the_error() -> None:
    outcome = ask(503, retry_after="4")
    assert isinstance(outcome, UplinkUnavailable)
    assert outcome.retry_after_s == 4.0


def test_an_errors_text_is_bounded_and_has_no_control_characters() -> None:
    outcome = ask(400, b"a\x1b[31m\r\nb\x00\xe2\x80\xae" + b"x" * 5000)
    assert "a [31m b" in str(outcome)
    assert str(outcome).isprintable()
    assert len(str(outcome)) < 300


@given(st.integers(100, 999), st.binary(max_size=400), st.booleans(), st.text(max_size=40))
def test_any_answer_is_judged_and_never_raises(
    status: int, body: bytes, demanded: bool, header: str
) -> None:
    outcome = ask(status, body, demanded=demanded, retry_after=header, location=header)
    assert isinstance(outcome, (Receipt, UplinkUnavailable, UplinkRejected))
    if isinstance(outcome, Receipt):
        assert 200 <= status <= 299
