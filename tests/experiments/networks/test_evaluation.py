from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from experiments.datasets.label_maps import label_map
from experiments.networks.evaluation import write_test_file
from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from tests.experiments.networks.conftest import TEST


def test_pictures_labels_and_true_depth_are_those_of_the_test_images(study: NetworkStudy) -> None:
    root = Path(str(study.data))
    with h5py.File(study.work / "data" / "test-wang-true.h5") as file:
        for row, number in enumerate(TEST):
            picture = np.asarray(Image.open(root / "rgb" / f"{number:04d}.jpg"))
            np.testing.assert_array_equal(file["inputs/rgb"][row], picture.transpose(2, 0, 1))
            millimetres = np.asarray(Image.open(root / "depth" / f"{number:04d}.png"))
            np.testing.assert_array_equal(file["inputs/depth"][row, 0], millimetres)
            np.testing.assert_array_equal(file["targets/depth"][row], millimetres)
            labels = np.asarray(Image.open(root / "label40" / f"{number:04d}.png"))
            expected = label_map("geo5_wang", source=40)[labels]
            np.testing.assert_array_equal(file["targets/semantic"][row], expected)


def test_the_file_is_read_in_metres_and_names_its_images_and_classes(study: NetworkStudy) -> None:
    data = EvaluationFile(study.work / "data" / "test-wang-true.h5")
    assert data.name == "NYU-Depth v2, true depth"
    assert [str(x) for x in data.ids] == [f"{number:04d}" for number in TEST]
    assert data.targets["semantic"].classes == (
        "ground", "vertical", "ceiling", "furniture", "object",
    )  # fmt: skip
    assert data.targets["depth"].range == (0.001, 10.0)


def test_predicted_depth_is_the_predictor_s_within_half_a_millimetre(study: NetworkStudy) -> None:
    images = study.load_split("test", "wang")
    rgb = torch.from_numpy(images.rgb).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        expected = load_network(study, "fcrn-depth")(rgb)["depth"].numpy()
    with h5py.File(study.work / "data" / "test-wang-predicted.h5") as file:
        found = file["inputs/depth"][()] * file["inputs/depth"].attrs["scale"]
        with h5py.File(study.work / "data" / "test-wang-true.h5") as true:
            np.testing.assert_array_equal(file["targets/depth"], true["targets/depth"])
            assert np.abs(found - true["inputs/depth"][()] / 1000).max() > 0.01
    assert np.abs(found - expected).max() < 0.0005 + 1e-6


def test_a_source_of_depth_that_is_not_there_is_told(study: NetworkStudy) -> None:
    with pytest.raises(InfluenceError, match="unknown source of the depth 'guessed'"):
        write_test_file(study, "wang", "guessed")
