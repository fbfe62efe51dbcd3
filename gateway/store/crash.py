"""The store's name for gateway.crash.here: FORMAT.md lists the places it is called at."""

from gateway.crash import here as crash_here

__all__ = ["crash_here"]
