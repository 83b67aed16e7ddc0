"""Operators that are looked up give what separate passes give, to the bit, with fewer calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from influence.engine.forward import PlainForward, ReusingForward
from influence.engine.sharing.reuse import Conflict, Reuse
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from influence.runtime.execution import Execution
from tests.influence.engine.sharing.zoo import conditions, draw, late_fusion, network

MUTES = ("zero", "shuffle", "noise")
MAPS = {"x": (2, 9, 9), "y": (2, 9, 9)}


@pytest.fixture(autouse=True)
def always_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on with networks that are too small for it to pay."""
    monkeypatch.setattr("influence.engine.sharing.reuse.OVERHEAD", {"cpu": -1.0, "cuda": -1.0})


def encoders() -> dict[str, Any]:
    torch.manual_seed(0)
    return {name: nn.Conv2d(2, 4, 3, padding=1) for name in "ab"}


def _late(self: Any, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([self.a(x).relu(), self.b(y).tanh()], dim=1)


def _early(self: Any, x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = self.a(x + y).relu()
    return result


def _added(self: Any, x: Tensor, y: Tensor) -> Tensor:
    fused: Tensor = self.a(x)
    fused += self.b(y)
    return fused.tanh()


def _activated(self: Any, x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = F.relu_(self.a(x)) + F.relu_(self.b(y))
    return found


def _activated_and_added(self: Any, x: Tensor, y: Tensor) -> Tensor:
    fused: Tensor = F.relu_(self.a(x))
    fused += F.relu_(self.b(y))
    return fused.mul_(2.0)


def _inputs_changed(self: Any, x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = self.a(x.sub_(0.5).relu_()) * self.b(y.mul_(2.0))
    return found


def _into_new(self: Any, x: Tensor, y: Tensor) -> Tensor:
    out = torch.zeros(len(x), 4, 9, 9)
    out += self.a(x)
    out[:, 1] = self.b(y)[:, 0]
    return out


def _through_views(self: Any, x: Tensor, y: Tensor) -> Tensor:
    found = self.a(x)
    before = found * 2
    found[:, 0].relu_()
    first, second = found.chunk(2, dim=1)
    first += self.b(y)[:, :2]
    return torch.cat([before, second, found], dim=1)


def _twice(self: Any, x: Tensor, y: Tensor) -> Tensor:
    first, second = self.a(x), None
    first.relu_()
    second = self.a(x)  # not what the activation has changed
    return torch.cat([first, second, self.b(y)], dim=1)


def _returned_before(self: Any, x: Tensor, y: Tensor) -> Any:
    kept = self.a(x)
    changed = self.a(x)
    changed.mul_(3.0)
    return kept, changed + self.b(y)


def _branching(self: Any, x: Tensor, y: Tensor) -> Tensor:
    found = self.a(x)
    result: Tensor = found + self.b(y) if y.abs().sum().item() > 0 else found - 1
    return result


def _counting(self: Any, x: Tensor, y: Tensor) -> Tensor:
    self.calls.add_(1)
    self.held.copy_(x.mean())
    found: Tensor = self.a(x) * self.held + self.b(y)
    return found


def _reassigned(self: Any, x: Tensor, y: Tensor) -> Tensor:
    for _ in range(3):  # the freed buffer's identity may be that of the next one
        self.state = torch.zeros(1) + x.mean()
    found: Tensor = self.a(x) + self.state * self.b(y)
    return found


KINDS: dict[str, Callable[..., Any]] = {
    function.__name__.strip("_"): function
    for function in (
        _late, _early, _added, _activated, _activated_and_added, _inputs_changed, _into_new,
        _through_views, _twice, _branching, _counting, _reassigned,
    )
}  # fmt: skip


def built(function: Callable[..., Any], outputs: tuple[str, ...] = ("out",)) -> JointNetwork:
    parts: dict[str, Any] = {
        "calls": torch.zeros(()), "held": torch.zeros(()), "state": torch.zeros(1)
    }  # fmt: skip
    return network(function, MAPS, outputs=outputs, **encoders(), **parts)


def assert_to_the_bit(net: JointNetwork, *sizes: int) -> ReusingForward:
    """Compare batches with separate passes, and return what ran them."""
    wanted = conditions(net, MUTES)
    plain = PlainForward(net, wanted)
    reusing = ReusingForward(plain)
    with torch.inference_mode():
        for number, size in enumerate(sizes):
            signals = draw(net, size, mutes=MUTES, seed=number)
            expected = [(c, {n: x.clone() for n, x in out.items()}) for c, out in plain(signals)]
            count = 0
            for (condition, found), (known, outputs) in zip(
                reusing(signals), expected, strict=True
            ):
                assert condition == known
                for name, value in outputs.items():
                    assert torch.equal(found[name], value), (condition, name)
                count += 1
            assert count == len(wanted) == 1 + 3 * 3
    return reusing


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_separate_passes_to_the_bit(kind: str) -> None:
    assert_to_the_bit(built(KINDS[kind]), 3, 3, 2, 3)


def test_an_output_that_was_changed_since_is_not_returned() -> None:
    assert_to_the_bit(built(_returned_before, ("kept", "out")), 3, 3)


def test_random_operators_are_computed_every_time() -> None:
    def forward(self: Any, x: Tensor, y: Tensor) -> Tensor:
        return torch.rand(2) + 0 * x.sum()

    net = built(forward)
    x, y = torch.ones(2, 2, 9, 9), torch.ones(2, 2, 9, 9)
    reuse = Reuse([], conditions(net, ["zero"]), ["zero"], "cpu")
    with torch.inference_mode():
        found = []
        for number in range(2):
            reuse.begin(number, {"x": x, "y": y}, {"x": ("x", ""), "y": ("y", "")})
            with reuse:
                found.append(net.module(x, y))
    assert not torch.equal(*found)


@pytest.mark.parametrize(
    "kind", ["late", "early", "added", "activated", "activated_and_added", "inputs_changed"]
)
def test_in_place_operators_are_shared_too(kind: str) -> None:
    reusing = assert_to_the_bit(built(KINDS[kind]), 3, 3)
    assert reusing.reason == ""


def convolutions(run: Callable[[], Any]) -> float:
    """Count convolutions by their FLOPs, in units of one encoder on one sample."""
    with FlopCounterMode(display=False) as counter:
        for _ in run():
            pass
    return float(counter.get_total_flops()) / (2 * 4 * 2 * 9 * 9 * 9)


@pytest.mark.parametrize("kind", ["late", "added", "activated"])
def test_each_encoder_runs_once_for_all_that_it_has_in_common(kind: str) -> None:
    net = built(KINDS[kind])
    wanted = conditions(net, MUTES)
    plain = PlainForward(net, wanted)
    reusing = ReusingForward(plain)
    signals = draw(net, 3, mutes=MUTES)
    with torch.inference_mode():
        assert convolutions(lambda: plain(signals)) == 2 * 3 * 10
        list(reusing(signals))  # the first batch is compared with plain passes
        # Clean, shuffled and noisy inputs, in two encoders; zeros were kept from the first batch.
        assert convolutions(lambda: reusing(signals)) == 2 * 3 * 3


def test_a_large_network_saves_and_a_small_one_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    small = assert_to_the_bit(late_fusion(1, 2), 2, 2)
    assert small.reason == "the setups have too little work in common"
    torch.manual_seed(0)
    wide: dict[str, Any] = {name: nn.Conv2d(2, 64, 9, padding=4) for name in "ab"}
    large = assert_to_the_bit(network(_late, {"x": (2, 40, 40), "y": (2, 40, 40)}, **wide), 4, 4)
    assert large.reason == ""


def test_what_was_changed_under_another_condition_is_a_conflict() -> None:
    net = built(_late)
    kept = torch.zeros(3)  # unknown, as a tensor that a module holds outside its weights
    reuse = Reuse([], conditions(net, ["zero"]), [], "cpu")
    x = torch.ones(3)
    reuse.begin(0, {"x": x}, {"x": ("x", "")})
    with torch.inference_mode(), reuse:
        kept.add_(x)
    reuse.begin(1, {"x": x}, {"x": ("x", "")})
    with pytest.raises(Conflict), torch.inference_mode(), reuse:
        kept * 2
    with pytest.raises(Conflict):
        reuse.confirm([{"held": [kept]}])


def test_memory_that_is_used_again_is_no_conflict() -> None:
    reuse = Reuse([], conditions(built(_late), ["zero"]), [], "cpu")
    with torch.inference_mode():
        for number in range(50):
            x = torch.ones(3)  # often where the one before it was
            reuse.begin(number % 3, {"x": x}, {"x": ("x", "")})
            with reuse:
                x.add_(1.0)
                assert (x * 2).tolist() == [4.0] * 3
            del x


class Classed(nn.Module):
    """Puts a learned token before those of the input, as vision transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 3))
        self.line = nn.Linear(3, 3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        tokens = torch.cat([self.token.expand(len(x), 1, -1), x], 1)
        found: Tensor = self.line(tokens).sum(1) + self.line(y)
        return found


def test_a_view_of_a_weight_is_looked_up_though_autograd_gives_it_once() -> None:
    torch.manual_seed(0)
    net = JointNetwork(Classed().eval(), ["x", "y"], ["z"])
    batch = ({"x": torch.randn(6, 2, 3), "y": torch.randn(6, 3)}, {"z": torch.randn(6, 3)})
    run = measure(net, [batch], mutes=["zero", "shuffle"])
    assert run.info["paths"]["network"] == "shared, operator by operator"
    assert run.influence["omega"].tolist() == pytest.approx(
        measure(net, [batch], mutes=["zero", "shuffle"], execution=Execution(share=False))
        .influence["omega"]
        .tolist()
    )


def _behind_the_back_of_torch(self: Any, x: Tensor, y: Tensor) -> Tensor:
    values = x.numpy()
    values *= 2
    found: Tensor = self.a(x + y) + self.b(y)
    return found


def test_a_change_that_torch_does_not_see_ends_the_run() -> None:
    net = built(_behind_the_back_of_torch)
    signals = draw(net, 3, mutes=MUTES)
    reusing = ReusingForward(PlainForward(net, conditions(net, MUTES)))
    with (
        torch.inference_mode(),
        pytest.raises(InfluenceError, match=r"differs if work is shared .* share=False"),
    ):
        list(reusing(signals))
