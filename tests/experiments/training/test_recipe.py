from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.training.recipe import Recipe, check_stamp, make_optimiser
from influence.errors import InfluenceError
from models.single_task import DepthNetwork
from tests.experiments.training.tiny import Tiny


def rates(recipe: Recipe, steps: int) -> list[list[float]]:
    """The rate of each group before every step and after the last."""
    settings = make_optimiser(Tiny(), recipe, steps=steps)
    found = []
    for _ in range(steps + 1):
        found.append([group["lr"] for group in settings["optimizer"].param_groups])
        settings["optimizer"].step()
        settings["lr_scheduler"]["scheduler"].step()
    assert settings["lr_scheduler"]["interval"] == "step"
    return found


def test_the_rate_falls_to_zero_along_a_cosine() -> None:
    recipe = Recipe(optimiser="sgd", schedule="cosine", rate=1e-3)
    expected = [[1e-3 * (1 + np.cos(np.pi * step / 4)) / 2] for step in range(5)]
    np.testing.assert_allclose(rates(recipe, 4), expected, atol=1e-12)


def test_slow_parts_have_a_rate_of_their_own_under_one_cycle() -> None:
    recipe = Recipe(rate=1e-3, slow_rate=1e-4, slow_parts=("first",), warm_up=0.25)
    found = np.array(rates(recipe, 19))
    assert found.max(axis=0) == pytest.approx([1e-4, 1e-3])
    assert found[0] == pytest.approx([1e-4 / 25, 1e-3 / 25])  # where PyTorch's cycle starts
    peak = int(found[:, 1].argmax())
    assert peak == 4  # a quarter of 20, counted from 0
    assert all(a > b for a, b in pairwise(found[peak:, 1]))


def test_groups_hold_every_parameter_once_by_the_beginning_of_its_name() -> None:
    network = DepthNetwork(pretrained=False)
    recipe = Recipe(slow_parts=("pyramid.trunk",), weight_decay=0.3)
    slow, fast = make_optimiser(network, recipe, steps=3)["optimizer"].param_groups
    trunk = {id(p) for p in network.pyramid.trunk.parameters()}
    assert {id(p) for p in slow["params"]} == trunk
    assert len(slow["params"]) + len(fast["params"]) == len(list(network.parameters()))
    assert trunk.isdisjoint(id(p) for p in fast["params"])
    assert slow["weight_decay"] == fast["weight_decay"] == 0.3


def test_the_optimiser_is_the_one_that_the_recipe_names() -> None:
    adamw = make_optimiser(Tiny(), Recipe(), steps=1)["optimizer"]
    sgd = make_optimiser(Tiny(), Recipe(optimiser="sgd", momentum=0.7), steps=1)["optimizer"]
    assert isinstance(adamw, torch.optim.AdamW)
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.7


def test_a_new_folder_is_stamped_and_taken_again(tmp_path: Path) -> None:
    facts = {"epochs": 3, "slow_parts": ("a", "b"), "rate": 1e-3}
    check_stamp(tmp_path / "run", facts)
    found = json.loads((tmp_path / "run" / "stamp.json").read_text())
    assert found == {"epochs": 3, "slow_parts": ["a", "b"], "rate": 1e-3}
    check_stamp(tmp_path / "run", facts)


def test_every_difference_is_told(tmp_path: Path) -> None:
    check_stamp(tmp_path, {"epochs": 3, "rate": 1e-3, "old": 1})
    with pytest.raises(
        InfluenceError, match=r"\(epochs: 3 there, 4 now; new: None there, x now; old: 1 there"
    ):
        check_stamp(tmp_path, {"epochs": 4, "rate": 1e-3, "new": "x"})


def test_a_state_without_a_stamp_is_refused_but_finished_weights_are_taken(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(InfluenceError, match=r"no stamp\.json"):
        check_stamp(tmp_path, {})
    (tmp_path / "weights.safetensors").touch()
    check_stamp(tmp_path, {})
    assert not (tmp_path / "stamp.json").exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\udcff"])
def test_a_damaged_stamp_is_a_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "stamp.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InfluenceError, match="stamp"):
        check_stamp(tmp_path, {})


def test_a_run_goes_on_only_with_what_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    check_stamp(folder, {"epochs": 10})
    check_stamp(folder, {"epochs": 10})
    message = "run: the training in this folder began with other settings "
    with pytest.raises(InfluenceError, match=message):
        check_stamp(folder, {"epochs": 12})
