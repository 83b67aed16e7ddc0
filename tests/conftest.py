"""Fixtures that many tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from influence.data.dataset import Sample
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
    plain = EvaluationFile.__getitem__

    def counted(self: EvaluationFile, index: int) -> Sample:
        found.append(index)
        return plain(self, index)

    monkeypatch.setattr(EvaluationFile, "__getitem__", counted)
    return found
