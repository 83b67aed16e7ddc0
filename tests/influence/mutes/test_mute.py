"""Mutes get a tensor with its facts, and batches show what each condition asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.mute import SiteTensor
from influence.mutes.registry import MUTES
from influence.network.joint_network import Modality


@pytest.fixture
def inputs() -> BatchInputs:
    clean = {"x": torch.arange(6.0).reshape(3, 2), "y": torch.arange(3.0)}
    follower = {"x": torch.tensor([[8.0, 9.0]]), "y": torch.tensor([7.0])}
    facts = {name: Modality(name, mean=(0.5,), std=(1.0,)) for name in clean}
    return BatchInputs(clean, np.array([4, 2, 9]), facts, MUTES, follower, seed=3)


def test_shown_inputs_are_copies(inputs: BatchInputs) -> None:
    shown = inputs.shown(frozenset({"y"}), "mean")
    assert list(shown) == ["x", "y"]
    for name, expected in (("x", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), ("y", [0.5] * 3)):
        values = shown[name]
        assert values is not None
        assert values.tolist() == expected
        values.zero_()
    assert inputs.clean["x"].sum() == 15
    assert inputs.clean["y"].sum() == 3


def test_shuffle_shows_the_next_sample(inputs: BatchInputs) -> None:
    assert inputs.muted("x", "shuffle").tolist() == [[2, 3], [4, 5], [8, 9]]
    assert inputs.muted("y", "shuffle").tolist() == [1, 2, 7]


def test_shuffle_shows_the_partner(inputs: BatchInputs) -> None:
    paired = replace(inputs, partners=np.array([1, 0]))
    assert paired.muted("y", "shuffle").tolist() == [1, 0, 7]
    assert paired.muted("x", "shuffle").tolist() == [[2, 3], [0, 1], [8, 9]]
    columns = paired.of_partners(
        torch.arange(6.0).reshape(2, 3), torch.tensor([[7.0], [8.0]]), axis=1
    )
    assert columns.tolist() == [[1, 0, 7], [4, 3, 8]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_head_shows_partners_as_the_batch_does(inputs: BatchInputs, count: int) -> None:
    paired = replace(inputs, partners=np.array([1, 0]))
    head = paired.head(count)
    assert torch.equal(head.muted("x", "shuffle"), paired.muted("x", "shuffle")[:count])


def test_next_sample_stands_alone(inputs: BatchInputs) -> None:
    found = inputs.next_sample()
    assert len(found) == 1
    assert {n: x.tolist() for n, x in found.clean.items()} == {"x": [[8, 9]], "y": [7]}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_head_shows_what_the_batch_shows_of_its_samples(inputs: BatchInputs, count: int) -> None:
    head = inputs.head(count)
    assert len(head) == count
    for mute in ("zero", "mean", "shuffle", "noise"):
        assert torch.equal(head.muted("x", mute), inputs.muted("x", mute)[:count])


def test_head_repeats_a_single_sample(inputs: BatchInputs) -> None:
    head = inputs.head(1).head(2)
    assert head.indices.tolist() == [4, 4]
    assert head.clean["x"].tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("mute", ["zero", "mean", "shuffle"])
def test_samples_come_first(inputs: BatchInputs, mute: str) -> None:
    steps = torch.ones(5, 3, 2)  # such as of a transformer that is not batch_first
    with pytest.raises(InfluenceError, match=r"edge:e: .* the 3 samples first, got .*\(5, 3, 2\)"):
        inputs.replaced("edge:e", mute, steps, steps[:, :1])


def test_integers_have_no_mean(inputs: BatchInputs) -> None:
    labels = torch.ones(3, 2, dtype=torch.int64)
    assert inputs.replaced("edge:e", "zero", labels, None).tolist() == [[0, 0]] * 3
    for mute in ("mean", "noise"):
        with pytest.raises(InfluenceError, match=r"edge:e: holds torch\.int64"):
            inputs.replaced("edge:e", mute, labels, None)


def test_moments_must_fit_the_channels() -> None:
    bad = SiteTensor(torch.ones(2, 3), Modality("x", mean=(1.0, 2.0)), np.arange(2))
    with pytest.raises(
        InfluenceError, match="'x': its facts hold 2 numbers as 'mean', expected 1 or 3"
    ):
        MUTES["mean"].replace(bad)
