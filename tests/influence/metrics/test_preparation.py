"""Ground truth and predictions in the form in which they are scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.metrics.preparation import as_values, mark_missing, resize
from influence.network.joint_network import Output


@pytest.mark.parametrize(
    ("target", "ignore", "expected"),
    [
        (torch.tensor([0, 255]), 255, [0, -1]),
        (torch.tensor([0.0, -99.0]), -99, [0.0, torch.nan]),
        (torch.tensor([0, 255]), None, [0, 255]),
    ],
)
def test_what_is_ignored_is_marked(
    target: Tensor, ignore: float | None, expected: list[float]
) -> None:
    found = mark_missing(target, Output("y", ignore=ignore))
    assert found.dtype == target.dtype
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    ("own", "of_file", "expected"),
    [
        (None, None, [-3.0, -1.0, 9.0]),
        (9, None, [-3.0, -1.0, torch.nan]),
        (None, 255.0, [-3.0, torch.nan, 9.0]),  # a file's ignored integers are read as -1
    ],
)
def test_integers_below_zero_are_values(
    own: float | None, of_file: float | None, expected: list[float]
) -> None:
    field = Field((3,), True, ignore=of_file)
    found = as_values(torch.tensor([-3, -1, 9]), Output("y", ignore=own), field)
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_maps_are_resized_as_pillow_does(mode: str, channels: int | None) -> None:
    shape = (2, 4, 6) if channels is None else (2, channels, 4, 6)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    found = resize(values, torch.zeros(2, 8, 12), Output("y", resize=mode))
    assert found.shape == (*shape[:-2], 8, 12)
    one = Image.fromarray(values.reshape(-1, 4, 6)[0].numpy())
    expected = np.asarray(one.resize((12, 8), Image.Resampling[mode.upper()]))
    np.testing.assert_allclose(found.reshape(-1, 8, 12)[0].numpy(), expected, atol=1e-6)


def test_nothing_is_resized_where_nothing_is_asked_or_known() -> None:
    values = torch.zeros(2, 3, 4, 6)
    assert resize(values, torch.zeros(2, 8, 12), Output("y")) is values
    assert resize(values, torch.zeros(2, 0), Output("y", resize="nearest")) is values
    assert resize(values, torch.zeros(2, 4, 6), Output("y", resize="nearest")) is values


def test_a_class_that_is_ruled_out_stays_ruled_out() -> None:
    values = torch.zeros(1, 2, 2, 2)
    values[:, 1] = -torch.inf
    found = resize(values, torch.zeros(1, 5, 7), Output("y", resize="bilinear"))
    assert found[0, 0].eq(0).all()
    assert found[0, 1].eq(-torch.inf).all()


def test_what_is_no_map_cannot_be_resized() -> None:
    with pytest.raises(InfluenceError, match="needs maps with height and width"):
        resize(torch.zeros(2, 5), torch.zeros(2, 4, 6), Output("y", resize="nearest"))
