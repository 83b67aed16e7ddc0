"""Which way batches go, and what the passes hold."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from influence.engine.forward import PlainForward, TriedForward
from influence.engine.trial import try_network
from tests.influence.engine.sharing.zoo import VECTORS, conditions, draw, network

MUTES = ("zero", "shuffle", "noise")


def test_batches_for_which_the_trace_does_not_hold_are_run_plainly() -> None:
    net = network(lambda self, x, y: x + y if x.shape[0] <= 3 else x - y, VECTORS)
    wanted = conditions(net, MUTES)
    # Nobody knows how many samples will come: it is worth a trace.
    _, shared = try_network(net, draw(net, 2, mutes=MUTES), wanted, samples=None)
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
