"""How many examples a property gets: some in the suite, all of them in make test-long."""

from typing import Final

from hypothesis import settings

SHORT_LEAST: Final = 30
SHORT_PART: Final = 4


def examples(in_long: int) -> int:
    """Return in_long, or in the profile "suite" of tests/conftest.py a quarter of it."""
    if settings.get_current_profile_name() != "suite":
        return in_long
    return min(in_long, max(SHORT_LEAST, in_long // SHORT_PART))
