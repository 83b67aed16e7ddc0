"""Which way batches go, and what the passes hold."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence.data.evaluation_file import EvaluationFile
from influence.engine.collectors import RowCollector
from influence.engine.evaluation import evaluate
from influence.engine.forward import (
    PlainForward,
    TriedForward,
    lay_out,
    suits_channels_last,
    with_layout,
)
from influence.engine.trial import probe_network, try_network
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.plan.plan import Plan
from influence.runtime.execution import Execution
from tests.influence.engine.sharing.zoo import VECTORS, conditions, draw, network
from tests.toy import Toy, joint

MUTES = ("zero", "shuffle", "noise")


def test_batches_for_which_the_trace_does_not_hold_are_run_plainly() -> None:
    net = network(lambda self, x, y: x + y if x.shape[0] <= 3 else x - y, VECTORS)
    wanted = conditions(net, MUTES)
    # Nobody knows how many samples will come: it is worth a trace.
    signals = draw(net, 2, mutes=MUTES)
    _, shared = try_network(net, signals, wanted, probe_network(net, signals), samples=None)
    assert shared is not None
    plain = PlainForward(net, wanted)
    told: list[str] = []
    tried = TriedForward(shared, plain, told.append)
    for count in (3, 4, 1):
        signals = draw(net, count, mutes=MUTES)
        for (condition, found), (_, expected) in zip(tried(signals), plain(signals), strict=True):
            assert torch.equal(found["out"], expected["out"]), condition

    assert len(told) == 1
    assert "batches such as {'x': (4, 4), 'y': (4, 4)}" in told[0]


def test_plain_passes_hold_neither_inputs_nor_outputs() -> None:
    seen: list[weakref.ref[Tensor]] = []
    left = []

    def watched(self: Any, x: Tensor, y: Tensor) -> Tensor:
        left.append(sum(ref() is not None for ref in seen))
        out = x + y
        seen.extend(weakref.ref(tensor) for tensor in (x, y, out))
        return out

    net = network(watched, VECTORS)
    passes: Iterator[Any] = PlainForward(net, conditions(net, MUTES))(draw(net, 2, mutes=MUTES))
    for _condition, outputs in passes:
        del outputs
    assert left == [0] * len(conditions(net, MUTES))


CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("module", "device", "mixed", "suits"),
    [
        (nn.Conv2d(1, 2, 3), CPU, False, True),
        (nn.Conv2d(1, 2, 3), CUDA, False, False),
        (nn.Conv2d(1, 2, 3), CUDA, True, True),
        (nn.Conv2d(1, 2, 1), CPU, False, False),
        (nn.Conv1d(1, 2, 3), CPU, False, False),
        (nn.Conv3d(1, 2, 3), CPU, True, False),
    ],
)
def test_two_dimensional_convolutions_are_suited(
    module: nn.Module, device: torch.device, mixed: bool, suits: bool
) -> None:
    assert suits_channels_last(module, device, mixed=mixed) == suits


def test_gradients_pass_through_what_was_laid_out_in_inference_mode() -> None:
    conv = nn.Conv2d(3, 4, 3)
    with torch.inference_mode():
        lay_out(conv, channels_last=True)
    x = torch.ones(1, 3, 4, 4, requires_grad=True)
    conv(x).sum().backward()
    assert x.grad is not None
    assert not conv.weight.is_inference()


def test_order_changes_and_values_stay() -> None:
    conv = nn.Conv2d(3, 4, 3)
    module = nn.Sequential(conv, nn.Conv3d(4, 4, 3))
    before = {name: w.clone() for name, w in module.state_dict().items()}
    for channels_last, strides in ((True, (27, 1, 9, 3)), (False, (27, 9, 3, 1))):
        lay_out(module, channels_last=channels_last)
        assert conv.weight.stride() == strides
        assert all(torch.equal(w, before[name]) for name, w in module.state_dict().items())
    assert with_layout(torch.zeros(2, 3), channels_last=True).shape == (2, 3)


class Viewing(Toy):
    """Calls `view` on maps, which only one order of memory allows."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        found, classes = super().forward(depth, semantic)
        maps = self.conv(torch.cat([depth, semantic], dim=1))
        return found + 0 * maps.view(len(maps), -1).sum(1)[:, None, None, None], classes


@pytest.mark.parametrize("wanted", [None, True, False])
def test_network_that_needs_the_usual_order_gets_it(toy_file: Path, wanted: bool | None) -> None:
    plan = Plan(
        ("depth", "semantic"), tuple(parse_mutes(["zero"])), {"depth": tuple(find_metrics(["rms"]))}
    )
    used = {}
    for module in (Toy(), Viewing()):
        found = evaluate([joint(module)], EvaluationFile(toy_file), [plan], RowCollector(),
                         execution=Execution(channels_last=wanted))  # fmt: skip
        used[type(module)] = found[0].trial.channels_last
        assert found[0].trial.runs
    assert used == {Toy: wanted is not False, Viewing: False}
