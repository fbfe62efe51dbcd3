"""A whole campus day from one seed: planned (pure), played (against real ends), compared (pure).

Read plan.py, player.py, ledger.py; site.py runs a gateway as a process in the middle of it.
"""

from simulators.day.ledger import Ledger, Sent, compare
from simulators.day.plan import TROUBLES, Planned, Step, What, plan_day
from simulators.day.player import Handles, play

__all__ = [
    "TROUBLES",
    "Handles",
    "Ledger",
    "Planned",
    "Sent",
    "Step",
    "What",
    "compare",
    "plan_day",
    "play",
]
