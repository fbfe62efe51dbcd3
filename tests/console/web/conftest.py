"""One school for all tests of the pages: starting it and a browser costs more than most of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.console.tokens import Role
from tests.console.web.house import HOSTILE, House, Spot, button, house, smoke

CONTACTS = """
[[contact]]
name = "城关派出所"
number = "0513-8012"
role = "police"
[[contact]]
name = "王校长"
number = "13800000000"
role = "leader"
"""
BUTTONS = [button(number) for number in range(1, 31)]
SMOKES = [smoke(number) for number in range(1, 61)]
HOSTILES = [
    button(100 + number, name=text, place=text)
    for number, text in enumerate(HOSTILE.values(), start=1)
]
SPOTS: list[Spot] = [*BUTTONS, *SMOKES, *HOSTILES]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def school(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The school, running."""
    async with house(tmp_path_factory.mktemp("school"), SPOTS, CONTACTS) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def zhao(school: House) -> AsyncIterator[str]:
    """A guard with the PIN 2580; 2769 is what she gives under duress."""
    async with school.person("赵六", Role.GUARD, "2580", "2769") as name:
        yield name
