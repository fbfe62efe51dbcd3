"""Views: who looked at what, in the audit trail before the first picture leaves.

Needs   a way to the audit trail.
Keeps   1. One view is one entry: a player's many requests for parts of one range are not many.
        2. Without the entry there is no view.
Bound   VIEWS_KEPT views are known for VIEW_S each; beyond that one may be noted twice.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.console.tokens import Identity
from gateway.console.video_problems import not_noted
from gateway.errors import GatewayError

VIEWS_KEPT: Final = 4096
VIEW_S: Final = 900.0
"""As long as a signed address lives: what is asked for again within it is the same view."""
Audit = Callable[[Entry], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class View:
    """Whose view of what; the details are what the trail says of it."""

    who: Identity
    medium: str
    camera: str
    reason: str
    details: dict[str, str]


class Views:
    """Which views are in the trail already."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._seen: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._turns = asyncio.Lock()

    async def note(self, view: View, *, again: bool = False) -> None:
        """Return when the view is on the disk. Raises Problem 503 when it cannot be written.

        again  every request is a view of its own: live, and a still of now
        """
        key = (view.who.id, view.medium, view.camera, view.reason, *view.details.values())
        async with self._turns:  # two first requests of one player are one view
            now_ns = self._clock.mono_ns()
            seen_ns = self._seen.get(key)
            if not again and seen_ns is not None and now_ns - seen_ns < VIEW_S * 1e9:
                return
            try:
                await self._audit(
                    Entry(
                        who=view.who.name,
                        role=view.who.role,
                        from_address=view.who.address,
                        action="video.view",
                        subject=view.camera,
                        reason=view.reason,
                        details={"medium": view.medium, **view.details},
                    )
                )
            except GatewayError as error:
                raise not_noted() from error
            self._seen[key] = now_ns
            self._seen.move_to_end(key)
            while len(self._seen) > VIEWS_KEPT:
                self._seen.popitem(last=False)
