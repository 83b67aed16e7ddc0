"""One tiny network with its data, for many tests; not to be changed."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from experiments.benchmarks.subject import Subject, prepared
from tests.experiments.benchmarks.tiny import SAMPLES, TINY


@pytest.fixture(scope="package")
def fusion() -> Iterator[Subject]:
    with prepared(TINY["late-fusion"](), samples=SAMPLES) as subject:
        yield subject


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collect no garbage before every task: it makes times comparable, which no test compares."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
