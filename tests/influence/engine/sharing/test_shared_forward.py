"""The shared path against one plain forward pass a condition, and how often it computes what."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from influence.engine.sharing.shared_forward import SharedForward, share
from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.plan.setups import Condition
from tests.influence.engine.sharing.zoo import VECTORS, ZOO, conditions, draw, late_fusion, network

MUTES = ("zero", "mean", "shuffle", "noise")


@pytest.fixture(autouse=True)
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def shared_path(net: JointNetwork, setups: str = "all", mutes: tuple[str, ...] = MUTES,
                ) -> SharedForward:  # fmt: skip
    return share(net, draw(net, 2, mutes=mutes, seed=9), conditions(net, mutes, setups))


def of_any_size(net: JointNetwork) -> JointNetwork:
    """Return the network without the facts that fix the sizes of its inputs."""
    inputs = [replace(modality, shape=None) for modality in net.inputs]
    return JointNetwork(net.module, inputs, net.outputs, call=net.call)


def path_of_any_size(net: JointNetwork) -> SharedForward:
    return share(of_any_size(net), draw(net, 2, mutes=MUTES, seed=9), conditions(net, MUTES))


def assert_as_plain(net: JointNetwork, shared: SharedForward, inputs: BatchInputs) -> None:
    for condition, outputs in shared(inputs):
        plain = net(inputs.shown(condition.setup, condition.mute))
        assert outputs.keys() == plain.keys()
        for name, value in plain.items():
            torch.testing.assert_close(
                outputs[name], value, rtol=0, atol=3e-6, msg=f"{name} under {condition}"
            )


@pytest.mark.parametrize("exported", [False, True], ids=["traced", "exported"])
@pytest.mark.parametrize("name", ZOO)
def test_outputs_are_those_of_plain_passes(name: str, exported: bool, tmp_path: Path) -> None:
    net = ZOO[name]()
    loaded = net
    if exported:
        export_checkpoint(net, tmp_path / "net.pt2", draw(net, 2, mutes=()).clean)
        loaded = load_checkpoint(tmp_path / "net.pt2")
    shared = share(loaded, draw(net, 2, mutes=MUTES, seed=9), conditions(net, MUTES))
    for seed, count in enumerate((5, 5, 3, 1, 1)):
        inputs = draw(net, count, mutes=MUTES, seed=seed)
        before = {name: x.clone() for name, x in inputs.clean.items()}
        assert shared.holds(inputs)
        assert_as_plain(loaded, shared, inputs)
        assert all(torch.equal(before[name], x) for name, x in inputs.clean.items())


@pytest.mark.parametrize("setups", ["each", "ends", "all"])
@pytest.mark.parametrize("mutes", [("zero",), ("noise",), ("shuffle", "mean"), ("constant:0.3",)])
def test_outputs_are_those_of_plain_passes_for_any_choice(
    setups: str, mutes: tuple[str, ...]
) -> None:
    net = late_fusion(1, 2, 1)
    inputs = draw(net, 4, mutes=mutes)
    assert_as_plain(net, shared_path(net, setups, mutes), inputs)


def test_double_precision_stays() -> None:
    net = late_fusion(1, 2)
    net.module.double()
    inputs = draw(net, 3, mutes=MUTES)
    double = BatchInputs(
        {name: x.double() for name, x in inputs.clean.items()},
        inputs.indices,
        inputs.modalities,
        inputs.mutes,
        {name: torch.as_tensor(x).double() for name, x in (inputs.follower or {}).items()},
    )
    shared = share(net, double.head(2), conditions(net, MUTES))
    for condition, outputs in shared(double):
        plain = net(double.shown(condition.setup, condition.mute))
        for name, value in plain.items():
            torch.testing.assert_close(outputs[name], value, rtol=0, atol=1e-14)


def test_maps_may_change_their_size_between_batches() -> None:
    net = late_fusion(1, 2)
    shared = path_of_any_size(net)
    for height, width in ((5, 6), (8, 4), (5, 6)):
        shapes = {"x": (1, height, width), "y": (2, height, width)}
        inputs = draw(net, 3, mutes=MUTES, seed=height, shapes=shapes)
        assert shared.holds(inputs)
        assert_as_plain(net, shared, inputs)


class Watch(TorchDispatchMode):
    """Calls a function with the name and the result of every operator."""

    def __init__(self, see: Callable[[str, Any], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.see = see

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.see(func._schema.name.removeprefix("aten::"), result)
        return result


def convolutions(shared: SharedForward, inputs: BatchInputs) -> dict[int, int]:
    """Count convolutions by the number of samples; an encoder has two, the head one more."""
    found: Counter[int] = Counter()

    def count(name: str, result: Any) -> None:
        if name == "convolution":
            found[len(result)] += 1

    with Watch(count):
        for _ in shared(inputs):
            pass
    return dict(found)


def test_each_encoder_runs_once_a_batch_and_once_for_constants() -> None:
    net = late_fusion(1, 2)
    shared = shared_path(net, "ends", ("zero",))
    inputs = draw(net, 4, mutes=("zero",))
    # Clean encoders 2 + 2, heads for full, without x, without y; once a run all of a zero sample.
    assert convolutions(shared, inputs) == {4: 4 + 3, 1: 4 + 1}
    assert convolutions(shared, inputs) == {4: 4 + 3}


def test_constant_mutes_add_only_heads() -> None:
    net = late_fusion(1, 2)
    mutes = ("zero", "mean", "constant:0.3")
    shared = shared_path(net, "ends", mutes)
    inputs = draw(net, 4, mutes=mutes)
    assert convolutions(shared, inputs) == {4: 4 + 1 + 2 * 3, 1: (4 + 1) * 3}
    assert convolutions(shared, inputs) == {4: 4 + 1 + 2 * 3}


def test_shuffle_takes_the_features_of_the_next_sample() -> None:
    net = late_fusion(1, 2)
    shared = shared_path(net, "ends", ("shuffle",))
    inputs = draw(net, 4, mutes=("shuffle",))
    for _ in range(2):  # the sample that follows a batch, in every batch
        assert convolutions(shared, inputs) == {4: 4 + 3, 1: 4 + 1}


def test_noise_runs_each_encoder_once_more() -> None:
    net = late_fusion(1, 2)
    shared = shared_path(net, "all", ("noise",))
    inputs = draw(net, 4, mutes=("noise",))
    assert convolutions(shared, inputs) == {4: 4 + 4 + 4}


def test_of_three_inputs_each_encoder_runs_once_for_all_eight_setups() -> None:
    net = late_fusion(1, 1, 1)
    shared = shared_path(net, "all", ("zero",))
    inputs = draw(net, 2, mutes=("zero",))
    assert convolutions(shared, inputs) == {2: 3 * 2 + 7, 1: 3 * 2 + 1}


def test_only_the_affected_output_is_computed_again() -> None:
    net = ZOO["inputs passed on"]()
    shared = shared_path(net, "each", ("zero",))
    found = list(shared(draw(net, 3, mutes=("zero",))))
    (_, full), (_, no_x), (_, no_y) = found
    assert no_x["y"] is full["y"]
    assert no_y["x"] is full["x"]
    assert torch.equal(no_x["x"], torch.zeros(3, 4))


def test_outputs_are_dropped_before_the_next_condition_runs() -> None:
    net = late_fusion(1, 2)
    mutes = ("zero", "mean", "noise")  # of shuffle, the full outputs are a part
    shared = shared_path(net, "all", mutes)
    alive: list[weakref.ref[Tensor]] = []
    left = []
    passes = shared(draw(net, 3, mutes=mutes))
    with Watch(lambda name, result: left.append(sum(ref() is not None for ref in alive))):
        for _ in conditions(net, mutes):
            _, outputs = next(passes)
            alive += [weakref.ref(value) for value in outputs.values()]
            assert alive[-1]() is not None
            del outputs
    assert len(left) > len(alive)
    assert not any(left)


def test_values_that_no_later_condition_needs_are_dropped() -> None:
    net = late_fusion(1, 2)
    shared = shared_path(net, "all", ("noise",))
    features: list[weakref.ref[Tensor]] = []

    def remember(name: str, result: Any) -> None:
        if name == "relu_":
            features.append(weakref.ref(result))

    left = []
    with Watch(remember):
        for _condition, outputs in shared(draw(net, 3, mutes=("noise",))):
            del outputs
            left.append(len({id(x) for x in (ref() for ref in features) if x is not None}))
    # Clean x and y; with noisy x clean x is not needed any more, but noisy x is; the same with y;
    # then both noisy ones are put together and nothing is left.
    assert left == [2, 2, 2, 0]


def unshared(forward: Callable[..., Any], **parts: Any) -> JointNetwork:
    return network(forward, VECTORS, **parts)


def _input_in_place(self: Any, x: Tensor, y: Tensor) -> Any:
    return x.relu_() + y


def _dropped_in_place(self: Any, x: Tensor, y: Tensor) -> Any:
    return self.dropout(x).relu_() + y  # dropout returns its very argument


def _slice(self: Any, x: Tensor, y: Tensor) -> Any:
    x = x + 1
    x[:, 0] = 0
    return x + y


def _state(self: Any, x: Tensor, y: Tensor) -> Any:
    self.count.add_(1)
    return x + y


def _inner(self: Any, x: Tensor, y: Tensor) -> Any:
    total = x + 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = self.y(y)
        total.add_(1)
    return total + half.float()


@pytest.mark.parametrize(
    ("forward", "parts"),
    [
        (_input_in_place, {}),
        (_dropped_in_place, {"dropout": nn.Dropout()}),
        (_slice, {}),
        (_state, {"count": torch.zeros(())}),
        (_inner, {"y": nn.Linear(4, 4)}),
    ],
)
def test_changes_that_others_see_are_refused(
    forward: Callable[..., Any], parts: dict[str, Any]
) -> None:
    net = unshared(forward, **parts)
    inputs = draw(net, 2, mutes=MUTES)
    before = {name: x.clone() for name, x in inputs.clean.items()}
    with pytest.raises(InfluenceError, match=r"changes a tensor in place .* used elsewhere too"):
        share(net, inputs, conditions(net, MUTES))
    assert all(torch.equal(before[name], x) for name, x in inputs.clean.items())
    assert not any(b.any() for b in net.module.buffers())  # nor was the network's state changed


def _by_count(self: Any, x: Tensor, y: Tensor) -> Any:
    return x + y if x.shape[0] <= 3 else x - y


def _by_size(self: Any, x: Tensor, y: Tensor) -> Any:
    return x + y if x.shape[-1] <= 5 else x - y


def test_trace_holds_only_where_the_network_takes_the_same_way() -> None:
    by_count = unshared(_by_count)
    shared = shared_path(by_count)
    held = {n: shared.holds(draw(by_count, n, mutes=MUTES)) for n in (2, 3, 4)}
    assert held == {2: True, 3: True, 4: False}
    by_size = unshared(_by_size)
    shared = path_of_any_size(by_size)
    held = {}
    for n in (1, 3, 5, 6):
        shapes = {"x": (n,), "y": (n,)}
        held[n] = shared.holds(draw(by_size, 2, mutes=MUTES, shapes=shapes))
    assert held == {1: False, 3: True, 5: True, 6: False}


def test_stated_shapes_fix_the_trace() -> None:
    net = late_fusion(1, 2)
    other = draw(net, 2, mutes=MUTES, shapes={"x": (1, 12, 10), "y": (2, 12, 10)})
    assert shared_path(net).holds(draw(net, 3, mutes=MUTES))
    assert not shared_path(net).holds(other)
    assert path_of_any_size(net).holds(other)


def test_program_holds_only_for_its_interface(tmp_path: Path) -> None:
    net = ZOO["early fusion"]()
    export_checkpoint(of_any_size(net), tmp_path / "net.pt2", draw(net, 2, mutes=()).clean)
    loaded = load_checkpoint(tmp_path / "net.pt2")
    shared = share(loaded, draw(net, 2, mutes=MUTES), conditions(net, MUTES))
    assert shared.holds(draw(net, 7, mutes=MUTES, shapes={"x": (2, 9, 8), "y": (2, 9, 8)}))
    assert not shared.holds(draw(net, 7, mutes=MUTES, shapes={"x": (2, 9, 8), "y": (3, 9, 8)}))


def test_network_that_cannot_be_traced_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    net = unshared(lambda self, x, y: x + y if x.sum() > 0 else x - y)
    with pytest.raises(InfluenceError, match="data-dependent"):
        shared_path(net)
    assert capfd.readouterr() == ("", "")  # torch would print the graph


def test_precision_is_that_of_the_context() -> None:
    net = unshared(lambda self, x, y: self.x(x) + self.y(y), x=nn.Linear(4, 4), y=nn.Linear(4, 4))

    def half() -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16)

    shared = shared_path(net).within(half)
    inputs = draw(net, 3, mutes=MUTES)
    for condition, outputs in shared(inputs):
        with half():
            plain = net(inputs.shown(condition.setup, condition.mute))
        assert outputs["out"].dtype == torch.bfloat16
        torch.testing.assert_close(outputs["out"], plain["out"])


def test_conditions_come_in_order() -> None:
    net = late_fusion(1, 2)
    wanted: list[Condition] = conditions(net, MUTES)
    found = [condition for condition, _ in shared_path(net)(draw(net, 2, mutes=MUTES))]
    assert found == wanted
    assert len(wanted) == 1 + 3 * len(MUTES)
