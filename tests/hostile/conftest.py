"""One warm server for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.client import Server


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "seeds"


@pytest.fixture(scope="session")
def server(seeds: Path) -> Iterator[Server]:
    with Server(seeds) as started:
        yield started
