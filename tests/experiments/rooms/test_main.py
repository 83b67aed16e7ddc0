from __future__ import annotations

import pytest
import torch
from influence.data.evaluation_file import EvaluationFile
from influence.network.checkpoints import load_checkpoint

from experiments.datasets.sample import CLASSES
from experiments.rooms.__main__ import HERE, open_study
from experiments.training.export import checkpoint_path
from models.jrn import VARIANTS

STUDY = open_study(data=None, work=None)


def test_the_published_test_set_is_small_and_complete() -> None:
    path = HERE / "test.h5"
    assert path.stat().st_size < 12e6
    data = EvaluationFile(path)
    assert len(data) == 120
    assert data.targets["semantic"].classes == CLASSES
    sample = data[7]
    probabilities = sample.inputs["semantic"].sum(dim=0)
    torch.testing.assert_close(probabilities, torch.ones_like(probabilities), atol=0.015, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_network_refines_the_test_set(variant: str) -> None:
    data = EvaluationFile(HERE / "test.h5")
    network = load_checkpoint(checkpoint_path(STUDY, variant))
    assert network.name == f"jrn-{variant}"
    chosen = [data[index] for index in range(0, 120, 15)]
    inputs = {name: torch.stack([s.inputs[name] for s in chosen]) for name in ("depth", "semantic")}
    with torch.inference_mode():
        refined = network(inputs)
    labels = torch.stack([s.targets["semantic"] for s in chosen])
    correct = refined["semantic"].argmax(dim=1) == labels
    assert float(correct[labels >= 0].float().mean()) > 0.75
    truth = torch.stack([s.targets["depth"] for s in chosen])
    ratio = torch.maximum(refined["depth"][:, 0] / truth, truth / refined["depth"][:, 0])
    assert float((ratio < 1.25).float().mean()) > 0.6
