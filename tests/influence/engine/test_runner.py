"""What the runner finds out about networks, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from influence.results.run_directory import Run
from tests.toy import Toy, joint, toy, toy_arrays, write_toy_file


def run(module: nn.Module, path: Path, **options: Any) -> Run:
    known: dict[str, Any] = {"mutes": ["zero"], "draws": 10, "batch_size": 4}
    return measure(joint(module), path, **(known | options))


class Dropout(Toy):
    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(nn.functional.dropout(depth, 0.5, self.training), semantic)


class Random(Toy):
    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(depth + torch.rand_like(depth), semantic)


class InPlace(Toy):
    """Changes its inputs, as an in-place activation does."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(depth.sub_(1.0).relu_(), semantic.mul_(2.0))


class OutOfPlace(Toy):
    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward((depth - 1.0).relu(), semantic * 2.0)


class NanDepth(Toy):
    """Returns NaN where depth is above 4.99."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        found, classes = super().forward(depth, semantic)
        return torch.where(depth > 4.99, torch.nan, found), classes


class Patching(Toy):
    """Does not look at NaN in its semantic input."""

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(depth, semantic.nan_to_num(0.0))


class FixedBatch(Toy):
    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(depth.reshape(4, 1, 5, 6), semantic)


def test_network_in_training_mode_is_set_right_and_reported(toy_file: Path) -> None:
    trained = run(Dropout().train(), toy_file)
    assert trained.info["notes"]["toy"] == [
        "the network came in training mode and was set to evaluation mode"
    ]
    evaluated = run(Dropout().eval(), toy_file)
    assert evaluated.info["notes"]["toy"] == []
    assert trained.influence.equals(evaluated.influence)


def test_outputs_that_change_between_runs_are_reported(toy_file: Path) -> None:
    notes = run(Random().eval(), toy_file).info["notes"]["toy"]
    assert len(notes) == 2
    assert "output 'depth' changes between two identical runs by up to" in notes[0]


def test_network_that_changes_its_inputs_in_place_spoils_nothing(toy_file: Path) -> None:
    in_place, plain = (run(m.eval(), toy_file, mutes=["zero", "mean", "shuffle"])
                       for m in (InPlace(), OutOfPlace()))  # fmt: skip
    assert in_place.info["notes"] == plain.info["notes"]
    np.testing.assert_allclose(in_place.influence["omega"], plain.influence["omega"], atol=1e-9)


def test_nan_from_the_network_names_the_sample(tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["inputs"]["depth"][:] = 2.0
    arrays["inputs"]["depth"][7, 0, 0, 0] = 4.995
    path = write_toy_file(tmp_path / "a.h5", **arrays, ids=[f"s{i}" for i in range(13)])
    with pytest.raises(
        InfluenceError, match=r"NaN or infinity in output 'depth' for sample 's7' of .*a\.h5 under"
    ):
        run(NanDepth(), path)


def test_nan_in_a_muted_input_does_not_leak(tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["inputs"]["semantic"][2] = np.nan
    frame = run(Patching(), write_toy_file(tmp_path / "a.h5", **arrays), mutes=["zero", "mean"])
    assert frame.influence["omega"].notna().all()


def test_network_of_a_fixed_batch_size_is_told(toy_file: Path) -> None:
    with pytest.raises(InfluenceError, match=r"'toy' failed on inputs .*\(1, 1, 5, 6\).*any size"):
        run(FixedBatch(), toy_file)


def test_sample_without_valid_truth_is_named(tmp_path: Path) -> None:
    for name, nothing in (("depth", np.nan), ("semantic", 255)):
        arrays = toy_arrays()
        arrays["targets"][name][6] = nothing
        path = write_toy_file(tmp_path / f"{name}.h5", **arrays)
        message = rf"{name}\.h5: sample '6' has no valid ground truth in targets/{name}"
        with pytest.raises(InfluenceError, match=message):
            run(Toy(), path)


def test_labels_out_of_range_name_the_file(tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["targets"]["semantic"][6, 2, 2] = 3
    path = write_toy_file(tmp_path / "a.h5", **arrays)
    with pytest.raises(InfluenceError, match=r"a\.h5: targets/semantic: label 3 is out of range"):
        run(Toy(), path)


def test_network_of_one_value_a_sample() -> None:
    class Add(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])
    net = JointNetwork(Add(), ("x", "y"), ("total",))
    run = measure(net, [({"x": x, "y": y}, {"total": x + y})], mutes=["zero"], draws=10)
    assert run.influence.query("source == 'y' and metric == 'mse'")["omega"].item() == 2 / 3


def test_network_computes_in_the_precision_of_its_weights(toy_file: Path) -> None:
    single, double = (run(m, toy_file) for m in (Toy(), Toy().double()))
    gap = (single.influence["omega"] - double.influence["omega"]).abs()
    assert 0 < gap.max() < 1e-5


def test_toy_itself_is_without_notes(toy_file: Path) -> None:
    toy_net = toy()
    toy_net.module.eval()
    assert measure(toy_net, toy_file, mutes=["zero"], draws=10).info["notes"]["toy"] == []
