"""The published files of the study, and the commands that make its rooms, on a few pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from experiments.datasets.sample import CLASSES
from experiments.rooms import render as renderer
from experiments.rooms.__main__ import COUNTS, HERE, open_study, scenes
from experiments.training.joint import checkpoint_path
from influence.data.evaluation_file import EvaluationFile
from influence.network.checkpoints import load_checkpoint
from models.jrn import VARIANTS

STUDY = open_study(data=None, work=None)


def test_the_published_test_set_is_small_and_complete() -> None:
    path = HERE / "test.h5"
    assert path.stat().st_size < 12e6
    data = EvaluationFile(path)
    assert len(data) == 120
    assert data.targets["semantic"].classes == CLASSES
    probabilities = torch.as_tensor(data.read(np.array([7])).inputs["semantic"][0]).sum(dim=0)
    torch.testing.assert_close(probabilities, torch.ones_like(probabilities), atol=0.015, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_network_refines_the_test_set(variant: str) -> None:
    data = EvaluationFile(HERE / "test.h5")
    network = load_checkpoint(checkpoint_path(STUDY, variant))
    assert network.name == f"jrn-{variant}"
    chosen = data.read(np.arange(0, 120, 15))
    with torch.inference_mode():
        refined = network(chosen.inputs)
    labels, truth = (torch.as_tensor(chosen.targets[name]) for name in ("semantic", "depth"))
    correct = refined["semantic"].argmax(dim=1) == labels
    assert float(correct[labels >= 0].float().mean()) > 0.75
    ratio = torch.maximum(refined["depth"][:, 0] / truth, truth / refined["depth"][:, 0])
    assert float((ratio < 1.25).float().mean()) > 0.6


def test_render_asks_for_both_splits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Path, str, int, int]] = []

    def note(root: Path, split: str, count: int, *, processes: int) -> None:
        asked.append((root, split, count, processes))

    monkeypatch.setattr(renderer, "render_split", note)
    arguments = ["render", "--root", str(tmp_path), "--processes", "3"]
    result = CliRunner().invoke(scenes, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert asked == [(tmp_path, split, count, 3) for split, count in COUNTS.items()]


def test_sheet_shows_the_first_rooms(tmp_path: Path) -> None:
    renderer.render_split(tmp_path, "test", 2, size=(12, 16), processes=1)
    out = tmp_path / "sheet.png"
    arguments = ["sheet", "--root", str(tmp_path), "--count", "9", "--out", str(out)]
    result = CliRunner().invoke(scenes, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    with Image.open(out) as sheet:
        assert sheet.size == (2 * (3 * 16 + 4), 12 + 4)
