"""Networks that accept None for a missing input: shown just that, by every convention of a call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import Call, JointNetwork

X, Y = torch.arange(12.0).reshape(6, 2), torch.arange(12.0).reshape(6, 2).flip(0) / 3
DATA: Any = [({"x": X, "y": Y}, {"z": X + Y})]


class Tolerant(nn.Module):
    """The sum of what is there; what is absent counts as one, and not as zero."""

    def forward(self, *given: Any, **named: Any) -> Tensor:
        if given and isinstance(given[0], dict):
            given = tuple(given[0].values())
        elif given and isinstance(given[0], tuple):
            given = given[0]
        x, y = given or named.values()
        assert x is not None or y is not None
        one = torch.ones(())
        return (one if x is None else x) + (one if y is None else y)


def tolerant(call: Call = "positional") -> JointNetwork:
    return JointNetwork(Tolerant(), ["x", "y"], ["z"], call=call)


@pytest.mark.parametrize("call", ["positional", "keyword", "mapping", "tuple"])
@pytest.mark.parametrize("setups", ["each", "ends", "all"])
def test_influence_of_what_is_absent(call: Call, setups: str) -> None:
    run = measure(tolerant(call), DATA, mutes=["absent", "constant:1"], setups=setups, draws=10,
                  batch_size=4, metrics={"z": ["mse"]})  # fmt: skip
    frame = run.influence.set_index(["mute", "source"])["omega"]
    for source, values in (("x", X), ("y", Y)):
        expected = (values.double() - 1).square().mean().item()
        np.testing.assert_allclose(frame["absent", source], expected, rtol=1e-6)
        np.testing.assert_allclose(frame["constant:1", source], expected, rtol=1e-6)
    # Without any input there is nothing to compute.
    setups_of = run.performance.groupby("mute")["setup"].unique().map(set)
    assert setups_of["absent"] == {"x", "y"}
    assert ("none" in setups_of["constant:1"]) == (setups != "each")


def test_no_work_is_shared_and_the_run_says_so() -> None:
    run = measure(tolerant(), DATA, mutes=["absent"], draws=10, metrics={"z": ["mse"]})
    assert run.info["paths"]["network"].startswith("each setup by itself: ")


def test_interactions_are_left_out() -> None:
    run = measure(tolerant(), DATA, mutes=["zero", "absent"], draws=10, interactions=True)
    assert set(run.interactions["mute"]) == {"zero"}
    assert any("'absent' is not defined for every site" in n for n in run.info["notes"]["network"])


def refused(message: str, net: JointNetwork, **options: Any) -> None:
    with pytest.raises(InfluenceError, match=message):
        measure(net, DATA, mutes=["absent"], draws=10, **options)


def test_who_cannot_be_shown_none_is_told(tmp_path: Path) -> None:
    refused("'absent' shows None .* takes one tensor with all inputs", tolerant("channels"))

    class Sum(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    net = JointNetwork(Sum(), ["x", "y"], ["z"])
    refused("TypeError.*The mute 'absent' shows None .* does the network accept it", net)
    export_checkpoint(net, tmp_path / "sum.pt2", {"x": X, "y": Y})
    refused(r"'absent' shows None .* is an exported program\. Measure a module",
            load_checkpoint(tmp_path / "sum.pt2"))  # fmt: skip
    inside = JointNetwork(nn.Sequential(Sum()), ["x", "y"], ["z"])
    refused("'absent' is defined for inputs; network", inside, sites=["edge:0"])


def test_one_input_must_be_there() -> None:
    with pytest.raises(InfluenceError, match="one input or more, got None for x, y"):
        tolerant()({"x": None, "y": None})
    with pytest.raises(InfluenceError, match="each part of its channels, got None for y"):
        tolerant("channels")({"x": X, "y": None})
