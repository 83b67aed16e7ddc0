"""The networks have the size that they are said to have, and a checkpoint computes the same."""

from __future__ import annotations

import pytest
import torch

from experiments.benchmarks.networks import NETWORKS, Attention, ResNet
from experiments.benchmarks.subject import example_maps, prepared
from tests.experiments.benchmarks.tiny import TINY


def test_the_encoder_is_that_of_resnet18() -> None:
    # 11,689,512 weights are published for ResNet-18, with 512 * 1000 + 1000 in its last layer.
    assert sum(p.numel() for p in ResNet(3).parameters()) == 11_689_512 - 513_000
    assert ResNet(3).eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 512)


def test_there_is_a_tiny_version_of_every_network() -> None:
    assert list(TINY) == list(NETWORKS)


@pytest.mark.parametrize("name", TINY)
def test_two_builds_are_the_same_and_so_is_the_checkpoint(name: str) -> None:
    network = TINY[name]()
    names = [modality.name for modality in network.inputs]
    inputs = dict(zip(names, example_maps(network.inputs, 3), strict=True))
    with torch.inference_mode(), prepared(TINY[name](), samples=2) as subject:
        first, again, loaded = (
            found(inputs) for found in (network, subject.network, subject.checkpoint)
        )
    assert subject.checkpoint.sha256
    for output, values in first.items():
        assert torch.equal(values, again[output])
        assert torch.allclose(values, loaded[output], atol=1e-6)
        assert values.std() > 1e-3, "the outputs differ between samples or places"


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(1)
    ours, theirs = Attention(8, heads=2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x, y = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    assert torch.allclose(ours(x, y), theirs(x, y, y)[0], atol=1e-6)
