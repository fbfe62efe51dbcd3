"""No test leaves a store open: its threads would keep pytest from ever ending."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.store import Store


@pytest_asyncio.fixture(autouse=True)
async def every_store_is_closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Close what a failing test has left open, so that it fails and does not hang."""
    opened: list[Store] = []
    make = Store.__init__

    def note(store: Store, *given: Any) -> None:
        make(store, *given)
        opened.append(store)

    monkeypatch.setattr(Store, "__init__", note)
    yield
    for store in opened:
        with contextlib.suppress(OSError):  # its lock was let go of already
            await store.abandon()
