"""From the outbox to each receiver, and back with a receipt.

Read    worker.py (one receiver), owed.py (what waits, in memory and on disk), lanes.py (whose turn
        it is), patience.py (what a failing receiver costs whom), telling.py (what people are told).
"""

from gateway.delivery.lanes import Item
from gateway.delivery.owed import LANE_ITEMS
from gateway.delivery.worker import Worker

__all__ = ["LANE_ITEMS", "Item", "Worker"]
