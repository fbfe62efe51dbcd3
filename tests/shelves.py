"""The profiles that ship, read once: doing so takes half a second, and nobody changes a Shelf."""

from functools import cache

from gateway.profile import Shelf, shipped_folder


@cache
def shipped() -> Shelf:
    """Return all of them; whoever tests the reading itself calls Shelf.load."""
    return Shelf.load(shipped_folder())
