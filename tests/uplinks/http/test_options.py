"""Wrong configuration does not start, and says what was expected (promise 11)."""

import base64
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.uplinks.http import Options

KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@pytest.fixture
def folder(tmp_path: Path, pem: Path) -> Path:
    (tmp_path / "police").write_text(SECRET + "\n")
    return tmp_path


def check(folder: Path, **table: Any) -> Options:
    table = {"url": "https://110.example/alarms", "secret_file": "police"} | table
    table = {key: value for key, value in table.items() if value is not None}
    return Options.model_validate(table, context={"folder": folder})


def complaint(folder: Path, **table: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        check(folder, **table)
    return str(caught.value)


def test_a_plain_table_is_enough_and_its_secret_is_read(folder: Path) -> None:
    options = check(folder)
    assert options.signing_key == KEY
    assert (options.receipt, options.concurrency, options.batch) == ("status", 8, 1)
    assert (options.connect_timeout_s, options.total_timeout_s) == (3.0, 10.0)


def test_the_secret_may_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICE_SECRET", SECRET)
    assert check(folder, secret_file=None, secret_env="POLICE_SECRET").signing_key == KEY


def test_the_secret_is_in_no_repr_no_dump_and_no_schema(folder: Path) -> None:
    options = check(folder)
    coded = SECRET.removeprefix("whsec_")
    for shown in (repr(options), str(options.model_dump()), options.model_dump_json()):
        assert coded not in shown
        assert repr(KEY) not in shown
    assert "signing" not in str(Options.model_json_schema())


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"url": "http://110.example/alarms"}, "https://, or allow_plain_http = true"),
        ({"url": "ftp://110.example"}, "https:// or http://"),
        ({"url": "110.example"}, "https:// or http://"),
        ({"url": "https:///alarms"}, "https:// or http://"),
        ({"url": "https://me:hunter2@110.example/"}, "it in a file or environment"),
        ({"secret_file": None}, "secret_file or secret_env"),
        ({"secret_file": "nowhere"}, "a readable file"),
        ({"secret_file": "."}, "a readable file"),
        ({"secret_file": None, "secret_env": "UNSET_HERE"}, "a secret"),
        ({"receipt": "maybe"}, "'status' or 'body'"),
        ({"total_timeout_s": 60}, "less than or equal to 14"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"proxy": "http://me:hunter2@proxy:3128"}, "it in a file or environment"),
        ({"proxy": "socks5://proxy:1080"}, "http://"),
        ({"key": "pem/client.pem"}, "key is given without cert"),
        ({"ca": "police"}, "PEM certificates"),
        ({"cert": "pem/ca.pem"}, "a PEM certificate and its key"),
        ({"url": "http://127.0.0.1/", "ca": "pem/ca.pem"}, "https:// in url"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(
    folder: Path, table: dict[str, Any], expected: str
) -> None:
    said = complaint(folder, **table)
    assert expected in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "secret",
    ["", "  ", "hunter2", "whsec_hunter2!", "whsec_aHVudGVyMg==", b"\xff\xfe", b"x" * 5000],
)
def test_a_secret_that_is_none_is_refused_without_being_shown(
    folder: Path, secret: str | bytes
) -> None:
    raw = secret if isinstance(secret, bytes) else secret.encode()
    (folder / "police").write_bytes(raw)
    said = complaint(folder)
    assert "expected" in said
    assert "hunter2" not in said
    assert "aHVudGVyMg" not in said


def test_a_certificate_with_its_key_is_taken(folder: Path) -> None:
    assert check(folder, ca="pem/ca.pem", cert="pem/client.pem").tls is not None


def test_plain_http_is_for_this_machine_or_for_who_allows_it(folder: Path) -> None:
    assert check(folder, url="http://127.0.0.1:8080/a").tls is None
    assert check(folder, url="http://localhost:8080/a").tls is None
    assert check(folder, url="http://[::1]:8080/a").tls is None
    assert check(folder, url="http://10.0.0.9/a", allow_plain_http=True).tls is None
    assert "allow_plain_http" in complaint(folder, url="http://127.0.0.1.example/")


def test_only_a_receiver_on_this_machine_may_get_unsigned_records(folder: Path) -> None:
    assert check(folder, url="http://127.0.0.1:8080/a", secret_file=None).signing_key is None
    said = complaint(folder, url="http://10.0.0.9/", allow_plain_http=True, secret_file=None)
    assert "secret_file or secret_env" in said


def test_file_and_environment_together_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICE_SECRET", SECRET)
    assert "one of them" in complaint(folder, secret_env="POLICE_SECRET")


def test_every_complaint_of_ours_is_chinese_first_and_says_what_would_be_right(
    folder: Path,
) -> None:
    for table in ({"url": "http://110.example/"}, {"secret_file": "nowhere"}, {"key": "police"}):
        said = complaint(folder, **table)
        assert re.search(r"[\u4e00-\u9fff].* / .*, expected .*[\u4e00-\u9fff].* / ", said), said


def test_an_absolute_path_is_left_as_it_is(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(folder / "police", elsewhere / "key")
    assert check(folder, secret_file=str(elsewhere / "key")).signing_key == KEY
