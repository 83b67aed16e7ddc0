"""Layout: which values belong to which input, and how they are put together again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from influence.network.layout import Layout, pick_outputs
from influence.network.modality import Modality, Output
from influence.runtime.nesting import follow


def part(name: str, *place: Any) -> Modality:
    """Declare an input that is the tensor x, or a slice of it."""
    return Modality(name, tensors=("x",), slice=place or None)


def test_several_tensors_are_leaves_of_one_input() -> None:
    layout = Layout([Modality("text", tensors=("ids", "mask")), Modality("rgb")])
    assert layout.owners == {"ids": "text", "mask": "text", "rgb": "rgb"}
    assert layout.of("text") == ["ids", "mask"]


def test_what_moves_with_an_input_belongs_to_it() -> None:
    layout = Layout([Modality("audio", moves_with=("length",)), Modality("length", role="context")])
    assert layout.owners == {"audio": "audio", "length": "audio"}
    assert layout.leaves == ["audio", "length"]


def test_gaps_between_slices_are_leaves_of_no_input() -> None:
    layout = Layout([part("a", 1, 1, 3), part("b", 1, 4, 5)])
    x = torch.arange(12.0).reshape(2, 6)
    leaves = layout.split({"x": x})
    assert {name: part[0].tolist() for name, part in leaves.items()} == {
        "x[0:1]": [0], "a": [1, 2], "x[3:4]": [3], "b": [4], "x[5:]": [5],
    }  # fmt: skip
    assert torch.equal(layout.join(leaves)["x"], x)
    assert layout.owners["a"] == "a"
    assert layout.is_part("a")
    assert layout.tensor_of("b") == "x"


def test_paths_are_nested_again_with_lists_where_steps_are_places() -> None:
    layout = Layout([Modality("a", path="views.0.rgb"), Modality("b", path="views.1.rgb")])
    one, two = torch.zeros(2), torch.ones(2)
    leaves = layout.split({"views": [{"rgb": one}, {"rgb": two}]})
    joined = layout.join(leaves)
    assert list(joined) == ["views"]
    assert [list(view) for view in joined["views"]] == [["rgb"], ["rgb"]]
    assert joined["views"][1]["rgb"] is two


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([part("a"), part("b")], "the inputs 'a' and 'b' claim the same tensor 'x'"),
        ([part("a", 1, 0, 3), part("b", 1, 2, 4)], "the inputs a, b claim the same part of 'x'"),
        ([part("a", 1, 0, 3), part("b", 2, 3, 4)], "slices .* of one axis that do not overlap"),
        ([part("a", 0, 0, 3)], r"slice \(0, 0, 3\) is not valid"),
        ([part("a", 1, 3, 3)], r"slice \(1, 3, 3\) is not valid"),
    ],
)  # fmt: skip
def test_claims_that_overlap_are_refused(inputs: list[Modality], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        JointNetwork(nn.Identity(), inputs, ["y"])


@pytest.mark.parametrize(
    ("modality", "message"),
    [
        (Modality("rgb"), r"expected the input 'rgb', the data hold \['img', 'x'\].*path="),
        (Modality("a", path="img.depth"), r"expected the input 'img.depth', the data hold"),
        (Modality("a", tensors=("x",), slice=(1, 2, 9)),
         r"'a' is places 2 to 9 of axis 1, and its tensor has the shape \(2, 4\)"),
        (Modality("a", tensors=("x",), slice=(3, 0, 1)), "of axis 3, and its tensor has the shape"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(modality: Modality, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        Layout([modality]).split({"x": torch.zeros(2, 4), "img": {"rgb": torch.zeros(2)}})


@dataclass
class Answer:
    logits: Any
    loss: float = 0.0


@pytest.mark.parametrize(
    ("returned", "outputs", "expected"),
    [
        ({"b": 1, "a": 2, "loss": 3}, [Output("a"), Output("b")], {"a": 2, "b": 1}),
        ((1, 2, 3), [Output("a"), Output("b")], {"a": 1, "b": 2}),
        (Answer(7), [Output("label", pick="logits")], {"label": 7}),
        ({"heads": [{"map": 4}, 5]}, [Output("a", pick="heads.0.map"), Output("b", pick="heads.1")],
         {"a": 4, "b": 5}),
        ((1, 2, 3), [Output("last", pick=2)], {"last": 3}),
        (["one", "two"], [Output("texts")], {"texts": ["one", "two"]}),
    ],
)  # fmt: skip
def test_outputs_are_picked(returned: Any, outputs: list[Output], expected: Any) -> None:
    assert pick_outputs(returned, outputs) == expected


@pytest.mark.parametrize(
    ("returned", "output", "message"),
    [
        ({"a": 1}, Output("y"), r"a mapping with a, expected 1 outputs: y, and there is no 'y'"),
        ({"a": 1}, Output("y", pick="b.0"), r"Output\('y', pick=\.\.\.\)"),
        ((1,), Output("y", pick=1), "there is no 1: '1' is not in a tuple of 1"),
    ],
)
def test_pick_that_is_not_returned_is_told(returned: Any, output: Output, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        pick_outputs(returned, [output])


def test_private_attributes_and_those_of_tensors_are_no_steps() -> None:
    for value, path in ((Answer(1), "__class__"), (torch.zeros(2), "shape")):
        with pytest.raises(InfluenceError, match="there is no"):
            follow(value, path)


def test_a_class_or_an_output_named_twice_is_refused() -> None:
    with pytest.raises(InfluenceError, match="'y' names a class twice: a, b, a"):
        JointNetwork(nn.Identity(), ["x"], [Output("y", classes=("a", "b", "a"))])
    with pytest.raises(InfluenceError, match=r"output names that differ, got \['y', 'y'\]"):
        JointNetwork(nn.Identity(), ["x"], ["y", "y"])


def test_a_context_is_not_muted_by_default_nor_when_asked() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, k: Tensor) -> Tensor:
            return x * k

    net = JointNetwork(Scaled(), ["x", Modality("k", role="context")], ["y"])
    x, k = torch.arange(4.0).reshape(4, 1), torch.tensor(3.0)
    data = [({"x": x, "k": k}, {"y": 3 * x})]
    run = measure(net, data, mutes=["zero"], metrics={"y": ["mse"]}, draws=10)
    assert run.influence["source"].tolist() == ["x"]
    # The error with nothing muted is 0; with x muted it is the mean of (3 x)² = 9 (0+1+4+9)/4.
    assert run.influence["omega"].item() == pytest.approx(9 * 14 / 4, rel=1e-12)
    with pytest.raises(InfluenceError, match=r"'k' is a context, .* never muted"):
        measure(net, data, mutes=["zero"], sites=["k"])


def test_inputs_at_paths_slices_and_several_tensors_by_a_loop_by_hand() -> None:
    """Omega of a nested input, of a part of a state vector, and of tokens with their mask."""

    class Policy(nn.Module):
        def forward(self, obs: dict[str, Any], ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
            state = obs["state"]
            words = (ids * mask).sum(1, keepdim=True).to(state.dtype)
            return {"heads": obs["img"].mean(1, keepdim=True) + state[:, :2].sum(1, keepdim=True)
                    * state[:, 3:4] + words / 10}  # fmt: skip

    net = JointNetwork(
        Policy(),
        [
            Modality("camera", path="obs.img"),
            Modality("arm", tensors=("obs.state",), slice=(1, 0, 2)),
            Modality("gripper", tensors=("obs.state",), slice=(1, 3, 4)),
            Modality("text", "tokens", tensors=("ids", "mask"), pad=9),
        ],
        [Output("action", pick="heads")],
    )
    stream = torch.Generator().manual_seed(0)
    img, state = (torch.rand(6, n, generator=stream).double() for n in (5, 4))
    ids, mask = (torch.randint(0, high, (6, 3), generator=stream) for high in (9, 2))
    y = torch.rand(6, 1, generator=stream).double()
    net.module.register_parameter("unused", nn.Parameter(torch.zeros(1).double()))
    inputs = {"obs": {"img": img, "state": state}, "ids": ids, "mask": mask}
    options: dict[str, Any] = {"metrics": {"action": ["mse"]}, "mutes": ["zero", "empty"]}
    run = measure(net, [(inputs, {"action": y})], draws=10, **options)

    def error(**changes: Any) -> float:
        known = {"img": img, "state": state, "mask": mask} | changes
        obs = {"img": known["img"], "state": known["state"]}
        return float((net.module(obs, ids, known["mask"])["heads"] - y).square().mean())

    arm, gripper = state.clone(), state.clone()
    arm[:, :2], gripper[:, 3] = 0, 0
    expected = {
        ("zero", "camera"): error(img=torch.zeros_like(img)),
        ("zero", "arm"): error(state=arm),
        ("zero", "gripper"): error(state=gripper),
        ("empty", "text"): error(mask=torch.zeros_like(mask)),
    }
    found = run.influence.set_index(["mute", "source"])["omega"]
    assert {key: value - error() for key, value in expected.items()} == pytest.approx(
        found.to_dict(), abs=1e-9
    )


def test_samples_are_counted_without_what_is_given_to_the_batch() -> None:
    layout = Layout([Modality("given", role="context"), Modality("x")])
    assert layout.count({"given": torch.zeros(2, 3), "x": torch.zeros(5)}) == 5
    assert layout.count({"given": torch.zeros(5, 3), "x": None}) == 5


def test_the_same_part_of_two_tensors_is_two_leaves_of_one_input() -> None:
    both = ("ids", "mask")
    places = {"a": (1, 0, 2), "b": (1, 2, None)}
    words = [Modality(n, "tokens", tensors=both, slice=part) for n, part in places.items()]
    layout = Layout(words)
    assert layout.owners == {"a": "a", "b": "b", "mask[a]": "a", "mask[b]": "b"}
    inputs = {"ids": torch.arange(4).reshape(1, 4), "mask": torch.ones(1, 4)}
    leaves = layout.split(inputs)
    assert leaves["b"].tolist() == [[2, 3]]
    assert leaves["mask[b]"].tolist() == [[1, 1]]
    assert all(torch.equal(x, inputs[n]) for n, x in layout.join(leaves).items())


def test_a_part_is_not_called_as_a_tensor_of_another_input() -> None:
    with pytest.raises(InfluenceError, match="input 'y' has the name of a tensor or a part of one"):
        Layout([Modality("x", tensors=("y",)), Modality("y", tensors=("z",), slice=(1, 0, 1))])
