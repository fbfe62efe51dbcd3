"""nats-server's lines in our log: always read, bounded, printable."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.links.broker.journal import LINES_AT_ONCE, MAX_LINE_CHARS, LogLines


async def read(*chunks: bytes, lines: LogLines | None = None) -> list[dict[str, object]]:
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    with capture_logs() as said:
        await (lines or LogLines(SystemClock())).forward(stream, 7)
    return [dict(entry) for entry in said]


@pytest.mark.parametrize(
    ("level", "ours"),
    [("INF", "debug"), ("WRN", "warning"), ("ERR", "error"), ("FTL", "critical")],
)
async def test_a_line_keeps_its_level_and_its_text(level: str, ours: str) -> None:
    said = await read(f"[7] 2026/11/22 03:25:19.9 [{level}] what it says\n".encode())
    assert [(entry["log_level"], entry["said"]) for entry in said] == [(ours, "what it says")]


async def test_a_line_without_nats_servers_form_counts_as_an_error() -> None:
    lines = LogLines(SystemClock())
    said = await read(b"panic: out of memory", lines=lines)
    assert [entry["log_level"] for entry in said] == ["error"]
    assert lines.last_trouble == "panic: out of memory"


async def test_a_failed_write_is_remembered_until_the_next_child() -> None:
    lines = LogLines(SystemClock())
    await read(b"[7] d t [ERR] Filestore [x] Critical write error: no space left\n", lines=lines)
    assert lines.write_failed
    await read(b"[8] d t [INF] Server is ready\n", lines=lines)
    assert not lines.write_failed


async def test_a_flood_is_cut_and_counted_while_every_line_is_still_read() -> None:
    lines = LogLines(SystemClock())
    flood = b"[7] d t [ERR] again\n" * 5000
    said = await read(flood + b"[7] d t [ERR] the last\n", lines=lines)
    assert len(said) == LINES_AT_ONCE
    assert lines.last_trouble == "the last"


async def test_a_line_without_an_end_takes_no_memory() -> None:
    said = await read(*[b"x" * 8192] * 500)
    assert len(said) == 1
    assert len(str(said[0]["said"])) <= MAX_LINE_CHARS


@given(st.binary(max_size=400))
def test_any_bytes_become_printable_lines(raw: bytes) -> None:
    for entry in asyncio.run(read(raw)):
        assert str(entry["said"]).isprintable()
