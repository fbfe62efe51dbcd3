"""One school for a whole file of tests: nothing in it is changed by an export."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidence.world import School, school_of


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with asyncio.Runner() as runner:
        yield runner.run(school_of(tmp_path_factory.mktemp("school")))


@pytest.fixture(scope="module")
def package(school: School) -> Path:
    return school.export()
