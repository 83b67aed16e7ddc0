"""Decoding of stored values, and batches kept in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from influence.data.dataset import Field
from influence.data.loader import load_batches
from influence.data.memory import MemorySet
from influence.errors import InfluenceError


def test_quantised_values_are_decoded_and_ignored_ones_are_nan() -> None:
    field = Field((3,), True, scale=0.01, offset=0.5, ignore=65535)
    decoded = field.decode(np.array([0, 250, 65535], dtype=np.uint16))
    np.testing.assert_allclose(decoded.numpy(), [0.5, 3.0, np.nan], rtol=1e-6)
    assert decoded.dtype == torch.float32


def test_float64_stays_and_other_numbers_become_float32() -> None:
    assert Field((1,), False).decode(np.array([0.1])).item() == 0.1
    assert Field((1,), False).decode(np.array([0.1], dtype=np.float16)).dtype == torch.float32


@pytest.mark.parametrize("stored", [np.uint8(2), np.array(2, dtype=">i4")])
def test_one_label_a_sample(stored: Any) -> None:
    assert Field((), True, ignore=255).decode(stored).item() == 2
    assert Field((), True, ignore=2).decode(stored).item() == -1


def test_one_value_a_sample() -> None:
    assert Field((), False).decode(np.float32(2.5)).item() == 2.5
    assert Field((), True, scale=0.5).decode(np.uint8(3)).item() == 1.5


def pair(count: int = 2, width: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"x": torch.ones(count, width)}, {"y": torch.arange(count, dtype=torch.uint8)}


def test_samples_of_different_shape_make_no_batch_but_stand_alone() -> None:
    data = MemorySet.collect([pair(), pair(width=4)])
    assert data.read(np.array([1])).inputs["x"].shape == (1, 3)
    assert data.read(np.array([2, 3])).inputs["x"].shape == (2, 4)
    with pytest.raises(InfluenceError, match=r"samples of inputs/x differ in shape, so that those"):
        data.read(np.array([1, 2]))


def test_memory_set_joins_batches_in_order() -> None:
    data = MemorySet.collect([pair(2), pair(3)])
    assert len(data) == 5
    assert data.ids == ["0", "1", "2", "3", "4"]
    (batch,) = load_batches(data, [np.array([4, 0])])
    assert batch.indices.tolist() == [4, 0]
    assert batch.targets["y"].tolist() == [2, 0]
    assert batch.targets["y"].dtype == torch.int64
    assert batch.inputs["x"].shape == (2, 3)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "yielded no batch"),
        ([pair(0)], "yielded no sample"),
        ([torch.ones(2)], r"batch 0: expected a pair \(inputs, targets\)"),
        ([pair(), (pair()[0],)], "batch 1: expected a pair"),
        ([({"x": 5}, {})], "batch 0: 'x' is of type int, expected a tensor with samples first"),
        ([({"x": torch.tensor(1.0)}, {})], "'x' has no axis of samples"),
        (
            [({"x": torch.ones(2), "z": torch.ones(3)}, {})],
            "'z' has 3 samples, those before it 2",
        ),
        ([pair(), ({"z": torch.ones(2, 3)}, pair()[1])], r"named \['z'\], in the first batch"),
    ],
)
def test_batches_of_another_form_are_refused(batches: list[Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        MemorySet.collect(batches)
