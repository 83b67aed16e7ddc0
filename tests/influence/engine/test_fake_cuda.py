"""No step mixes devices: all run on fake CUDA tensors, which know their device but hold no values.

An operator on a CUDA tensor and one of the CPU raises an error here as it does on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from influence.data.dataset import Field
from influence.engine.forward import PlainForward, ReusingForward
from influence.engine.sharing.shared_forward import share
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS
from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.plan.setups import FULL, NO_MUTE, Condition

COUNT, HEIGHT, WIDTH, CLASSES = 4, 6, 8, 3
SHOWN = sorted(name for name, mute in MUTES.items() if not mute.absent)


@pytest.fixture(autouse=True)
def fake() -> Iterator[None]:
    with FakeTensorMode():
        yield


def on_cuda(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.ones(shape, dtype=dtype, device="cuda")


class Net(nn.Module):
    """Two encoders and a head. The initial values of torch's own layers cannot be drawn here."""

    x: Tensor
    y: Tensor
    h: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, shape in (("x", (8, 3, 3, 3)), ("y", (8, 1, 3, 3)), ("h", (CLASSES, 8, 1, 1))):
            weight = torch.empty(shape, device="cuda")
            self.register_parameter(name, nn.Parameter(weight, requires_grad=False))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        one = nn.functional.conv2d(x, self.x, padding=1).relu_()
        other = nn.functional.conv2d(y, self.y, padding=1).relu_()
        return nn.functional.conv2d(one + other, self.h)


def modality(name: str, kind: str) -> Modality:
    return Modality(name, kind, mean=(0.1,), std=(1.0,), optimal=(0.5,), mode=(1.0,), mask=5,
                    keep=(1,))  # fmt: skip


def inputs() -> BatchInputs:
    channels = {"x": 3, "y": 1}
    clean = {name: on_cuda(COUNT, n, HEIGHT, WIDTH) for name, n in channels.items()}
    follower = {name: on_cuda(1, n, HEIGHT, WIDTH) for name, n in channels.items()}
    facts = {name: modality(name, "image") for name in channels}
    partners = np.array([1, 2, 3])
    return BatchInputs(clean, np.arange(COUNT), facts, MUTES, follower, partners=partners)


def test_mixed_devices_are_noticed() -> None:
    with pytest.raises(RuntimeError, match="device"):
        on_cuda(2) + torch.ones(2)


@pytest.mark.parametrize("mute", SHOWN)
def test_muted_inputs_stay_on_the_device(mute: str) -> None:
    assert inputs().muted("x", mute).device.type == "cuda"


@pytest.mark.parametrize("mute", ["empty", "mask"])
def test_muted_tokens_stay_on_the_device(mute: str) -> None:
    clean = {
        "ids": on_cuda(COUNT, 5, dtype=torch.long),
        "mask": on_cuda(COUNT, 5, dtype=torch.bool),
    }
    facts, owners = {"text": modality("text", "tokens")}, dict.fromkeys(clean, "text")
    batch = BatchInputs(clean, np.arange(COUNT), facts, MUTES, owners=owners)
    assert {batch.muted(leaf, mute).device.type for leaf in clean} == {"cuda"}


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("kind", ["plain", "reusing", "shared"])
def test_every_kind_of_pass_stays_on_the_device(kind: str) -> None:
    network = JointNetwork(Net().eval(), ["x", "y"], ["label"])
    conditions = [Condition(NO_MUTE, FULL), Condition("zero", frozenset({"x"})),
                  Condition("shuffle", frozenset({"y"}))]  # fmt: skip
    plain = PlainForward(network, conditions)
    batch = inputs()
    forward: Any = plain
    if kind == "reusing":
        forward = ReusingForward(plain)
    elif kind == "shared":
        forward = share(network, batch.head(2), conditions)
    with torch.no_grad():
        found = {condition: outputs["label"] for condition, outputs in forward(batch)}
    assert list(found) == conditions
    assert {values.device.type for values in found.values()} == {"cuda"}


@pytest.mark.parametrize("name", METRICS)
def test_statistics_are_computed_on_the_device(name: str) -> None:
    statistic = METRICS[name].statistic
    maps = COUNT, HEIGHT, WIDTH
    output = Output("y", "logits", ("a", "b", "other"))
    values = on_cuda(COUNT, CLASSES, HEIGHT, WIDTH)
    target = on_cuda(*maps, dtype=torch.long)
    if name in ("label_accuracy", "label_f1", "binary_cross_entropy"):
        output = Output("y", "multilabel")
        target = on_cuda(COUNT, CLASSES, HEIGHT, WIDTH, dtype=torch.long)
    elif statistic.reads != "labels" and statistic.against == "truth":
        output, values, target = Output("y"), on_cuda(*maps), on_cuda(*maps)
    # A value of the truth cannot be asked for where tensors hold none.
    known = {"greatest label": 1, "0 or 1": (target.double(), target >= 0)}
    field = Field((HEIGHT, WIDTH), not target.is_floating_point(), range=(0.0, 1.0))
    full = Prediction(values, target, output, field, known)
    muted = Prediction(values + 1, target, output, field, known, reference=full)
    rows = statistic.update(full if statistic.against == "truth" else muted)
    assert (rows.device.type, rows.dtype, len(rows)) == ("cuda", torch.float64, COUNT)
