"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from influence.data.dataset import Batch
from influence.data.evaluation_file import EvaluationFile
from influence.network.joint_network import JointNetwork
from tests.toy import toy, write_toy_file


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation file of 13 samples; not to be changed."""
    return write_toy_file(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture
def net() -> JointNetwork:
    """A network of two inputs and two outputs that fits `toy_file`."""
    return toy()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of the samples that are read from evaluation files, in order."""
    found: list[int] = []
    plain = EvaluationFile.read

    def counted(self: EvaluationFile, indices: NDArray[np.int64]) -> Batch:
        found.extend(indices.tolist())
        return plain(self, indices)

    monkeypatch.setattr(EvaluationFile, "read", counted)
    return found
