"""Moments come from the checkpoint, else from the file, else from a pass over the inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from influence.data.evaluation_file import EvaluationFile
from influence.mutes.moments import lacking_moments, measure_moments, with_moments
from influence.mutes.registry import parse_mutes
from influence.network.joint_network import JointNetwork, Modality
from tests.toy import Toy, toy_arrays, write_toy_file


def network(*moments: float) -> JointNetwork:
    """A network whose facts hold the mean of depth, or its mean and deviation, or neither."""
    mean, std = [(m,) for m in moments] + [None] * (2 - len(moments))
    return JointNetwork(
        Toy(), [Modality("depth", "depth", mean=mean, std=std), "semantic"], ["depth", "semantic"]
    )


def found(
    net: JointNetwork, path: Path, mutes: tuple[str, ...] = ("mean", "noise")
) -> tuple[dict[str, Modality], list[str]]:
    data, sites, chosen = EvaluationFile(path), ["depth", "semantic"], parse_mutes(mutes)
    lacking = lacking_moments(net, data, chosen, sites)
    measured = measure_moments([net], data, lacking, len(data))
    return with_moments(net, data, chosen, sites, measured)


def test_checkpoint_before_file_before_pass(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "t.h5", attributes={"inputs/depth": {"mean": [7.0]}})
    measured = toy_arrays()["inputs"]["depth"].astype(np.float64)
    modalities, notes = found(network(), path)
    assert modalities["depth"].mean == (7.0,)
    assert modalities["depth"].std == pytest.approx((measured.std(),))
    assert notes[0] == f"mean of 'depth' comes from {path}"
    assert "a pass over the inputs" in notes[1]
    modalities, notes = found(network(3.0), path)
    assert modalities["depth"].mean == (3.0,)
    assert notes[0] == "mean of 'depth' comes from the checkpoint"


def test_pass_averages_each_channel_and_leaves_nan_out(tmp_path: Path) -> None:
    inputs = toy_arrays()["inputs"]
    inputs["semantic"][2, 1] = np.nan
    modalities, _ = found(network(), write_toy_file(tmp_path / "t.h5", inputs=inputs))
    values = inputs["semantic"].astype(np.float64)
    facts = modalities["semantic"]
    assert facts.mean == pytest.approx(np.nanmean(values, (0, 2, 3)).tolist())
    assert facts.std == pytest.approx(np.nanstd(values, (0, 2, 3)).tolist())


def test_mutes_that_need_none_get_none(toy_file: Path) -> None:
    modalities, notes = found(network(), toy_file, ("zero", "shuffle"))
    assert modalities["depth"].mean is None
    assert notes == []


@pytest.mark.parametrize("moments", [(), (2.0,), (2.0, 1.0)])
def test_one_pass_serves_all_inputs(
    moments: tuple[float, ...], toy_file: Path, reads: list[int]
) -> None:
    found(network(*moments), toy_file)  # those of 'semantic' are always lacking
    assert sorted(reads) == list(range(13))
