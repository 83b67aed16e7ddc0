"""One tiny network with its data, for many tests; not to be changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experiments.benchmarks.subject import Subject, prepared
from tests.experiments.benchmarks.tiny import SAMPLES, TINY


@pytest.fixture(scope="package")
def fusion() -> Iterator[Subject]:
    with prepared(TINY["late-fusion"](), samples=SAMPLES) as subject:
        yield subject
