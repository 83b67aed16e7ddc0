"""What a network is shown of inputs of several kinds, under the mutes for these kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import influence
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.mute import SiteTensor
from influence.mutes.registry import MUTES, choose_mutes, parse_mute
from influence.network.joint_network import JointNetwork, Modality

IDS = torch.tensor([[5, 6, 7, 0], [8, 5, 0, 0]])
TEXT = Modality("text", "tokens", tensors=("ids", "mask"), pad=0, keep=(5,), mask=9)
OWNERS = {"ids": "text", "mask": "text"}


def shown(mute: str, clean: dict[str, Any], *facts: Modality, **more: Any) -> dict[str, Any]:
    modalities = {m.name: m for m in facts}
    inputs = BatchInputs(clean, np.arange(2), modalities, {mute: parse_mute(mute)}, **more)
    return {leaf: inputs.muted(leaf, mute) for leaf in clean}


def test_empty_leaves_padding_and_what_is_kept() -> None:
    found = shown("empty", {"ids": IDS, "mask": (IDS > 0).long()}, TEXT, owners=OWNERS)
    assert found["ids"].tolist() == [[5, 0, 0, 0], [0, 5, 0, 0]]
    assert found["mask"].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


def test_mask_replaces_all_but_padding_and_what_is_kept() -> None:
    mask = (IDS > 0).long()
    found = shown("mask", {"ids": IDS, "mask": mask}, TEXT, owners=OWNERS)
    assert found["ids"].tolist() == [[5, 9, 9, 0], [9, 5, 0, 0]]
    assert torch.equal(found["mask"], mask)


def test_shuffle_takes_tokens_and_masks_of_the_partner_together() -> None:
    mask = (IDS > 0).long()
    follower = {"ids": IDS[:1], "mask": mask[:1]}
    found = shown("shuffle", {"ids": IDS, "mask": mask}, TEXT, owners=OWNERS, follower=follower)
    assert torch.equal(found["ids"], IDS.flip(0))
    assert torch.equal(found["mask"], mask.flip(0))


def test_partners_of_another_width_are_padded() -> None:
    text = Modality("text", "tokens", tensors=("ids", "mask"), pad=3)
    exchanged = {
        "ids": [torch.tensor([4]), torch.tensor([6, 7, 8, 1, 2])],
        "mask": [torch.tensor([1]), torch.tensor([1, 1, 1, 1, 0])],
    }
    clean = {"ids": IDS, "mask": (IDS > 0).long()}
    found = shown("shuffle", clean, text, owners=OWNERS, exchanged=exchanged)
    assert found["ids"].tolist() == [[4, 3, 3, 3, 3], [6, 7, 8, 1, 2]]
    assert found["mask"].tolist() == [[1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]


def test_partners_of_another_shape_make_no_batch_of_maps() -> None:
    exchanged = {"x": [torch.zeros(1, 2, 2), torch.zeros(1, 3, 3)]}
    with pytest.raises(InfluenceError, match=r"input 'x': samples differ in shape"):
        shown("shuffle", {"x": torch.zeros(2, 1, 4, 4)}, Modality("x"), exchanged=exchanged)


def test_points_and_texts_are_emptied() -> None:
    points = [torch.ones(4, 3), torch.ones(2, 3)]
    found = shown(
        "empty", {"p": points, "t": ["one", "two"]}, Modality("p", "points"), Modality("t", "text")
    )
    assert [tuple(p.shape) for p in found["p"]] == [(0, 3), (0, 3)]
    assert found["t"] == ["", ""]


def test_lists_are_muted_entry_by_entry() -> None:
    maps = [torch.ones(1, 2, 2), torch.ones(1, 3, 3)]
    found = shown("zero", {"x": maps}, Modality("x"))["x"]
    assert [(tuple(x.shape), float(x.sum())) for x in found] == [((1, 2, 2), 0), ((1, 3, 3), 0)]
    follower = {"x": [torch.zeros(1, 5, 5)]}
    found = shown("shuffle", {"x": maps}, Modality("x"), follower=follower)["x"]
    assert [tuple(x.shape) for x in found] == [(1, 3, 3), (1, 5, 5)]
    found[0].zero_()  # a network may do that
    assert maps[1].sum() == 9


def test_categories_get_the_mode_of_each_column() -> None:
    facts = Modality("x", "categories", mode=(4.0, 1.0))
    found = shown("mode", {"x": torch.tensor([[1, 2], [3, 4]])}, facts)["x"]
    assert (found.tolist(), found.dtype) == ([[4, 1], [4, 1]], torch.int64)


def test_masks_get_zeros_of_their_type() -> None:
    found = shown("zero", {"x": torch.ones(2, 3, dtype=torch.bool)}, Modality("x", "mask"))["x"]
    assert (found.dtype, bool(found.any())) == (torch.bool, False)


def test_lengths_stay_unless_the_whole_input_is_replaced() -> None:
    audio = Modality("audio", moves_with=("length",))
    clean = {"audio": torch.ones(2, 3), "length": torch.tensor([3, 2])}
    owners = dict.fromkeys(clean, "audio")
    found = shown("zero", clean, audio, owners=owners)
    assert (found["audio"].sum(), found["length"].tolist()) == (0, [3, 2])
    follower = {"audio": torch.zeros(1, 3), "length": torch.tensor([7])}
    found = shown("shuffle", clean, audio, owners=owners, follower=follower)
    assert found["length"].tolist() == [2, 7]


def test_partners_may_be_changed_in_place() -> None:
    exchanged = {"x": torch.ones(2, 3)}
    found = shown("shuffle", {"x": torch.zeros(2, 3)}, Modality("x"), exchanged=exchanged)["x"]
    found.zero_()
    assert exchanged["x"].sum() == 6


def test_mutes_are_chosen_by_kind() -> None:
    inputs = [Modality("ids", "tokens"), Modality("table", "categories"), Modality("x")]
    mutes, notes = choose_mutes(
        None, JointNetwork(nn.Identity(), inputs, ["y"]), ["ids", "table", "x"]
    )
    assert [mute.name for mute in mutes] == ["zero", "mean", "empty", "mode"]
    assert notes == ()
    _, notes = choose_mutes(
        ["zero"], JointNetwork(nn.Identity(), inputs, ["y"]), ["ids", "table", "x"]
    )
    assert [note.partition(";")[0] for note in notes] == [
        "'ids' of kind tokens is not muted by zero",
        "'table' of kind categories is not muted by zero",
    ]


@influence.mute(kinds=["other"], constant=True)
def sevens(site: SiteTensor) -> Tensor:
    """Seven everywhere."""
    assert isinstance(site.values, Tensor)
    return torch.full_like(site.values, 7.0)


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


@pytest.mark.parametrize("given", [sevens, "tests.influence.mutes.test_batch_inputs:sevens"])
def test_mutes_of_the_user_are_measured(given: Any) -> None:
    x, y = torch.arange(4.0), torch.ones(4)
    net = JointNetwork(Sum(), ["x", "y"], ["z"])
    run = measure(
        net, [({"x": x, "y": y}, {"z": x + y})], mutes=[given], metrics={"z": ["mse"]}, draws=10
    )
    found = run.influence.set_index("source")
    assert set(found["mute"]) == {"sevens"}
    # (7 - x)² for x = 0, 1, 2, 3, and (7 - 1)².
    assert found["omega"].to_dict() == pytest.approx({"x": (49 + 36 + 25 + 16) / 4, "y": 36.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a+b"}, r"a mute needs a name without .* got 'a\+b'"),
        ({"kinds": ["token"]}, "unknown kind 'token': did you mean 'tokens'"),
        ({"needs": ["median"]}, "unknown need of a mute 'median'"),
    ],
)
def test_declarations_that_are_not_valid_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        influence.mute(**options)(lambda site: site.values)


def test_what_is_no_mute_is_told() -> None:
    with pytest.raises(
        InfluenceError, match=r"is a .*, expected a function under @influence\.mute"
    ):
        parse_mute("tests.toy:toy")


def test_a_mute_that_is_not_defined_for_a_kind_is_told() -> None:
    net = JointNetwork(Sum(), ["x", "y"], ["z"])
    x = torch.arange(4.0)
    for mute, scope in (
        ("empty", "points or text or tokens"),
        ("mask", "Modality.kind='tokens', mask="),
    ):
        with pytest.raises(InfluenceError, match=f"mute '{mute}' is defined for .*{scope}"):
            measure(net, [({"x": x, "y": x}, {"z": x})], mutes=[mute])
    assert MUTES["mask"].applies_to(TEXT)
