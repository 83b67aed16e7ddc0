"""Values of a batch: tensors, or lists with one entry a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from influence.runtime.values import cast, hold_same, is_batched, join, take


@pytest.mark.parametrize(
    ("values", "samples", "expected"),
    [
        (torch.zeros(3, 2), 3, True),
        (torch.zeros(3, 2), 2, False),
        (torch.zeros(()), None, False),
        (["a", "b"], 2, True),
        (["a", "b"], 3, False),
        ("ab", 2, False),
        ({"a": torch.zeros(2)}, 2, False),
    ],
)
def test_values_have_an_axis_of_samples(values: Any, samples: int | None, expected: bool) -> None:
    assert is_batched(values, samples) == expected


@pytest.mark.parametrize(("where", "expected"), [(slice(1, 3), [1, 2]), (np.array([2, 0]), [2, 0])])
def test_samples_are_taken_in_order(where: Any, expected: list[int]) -> None:
    assert take(torch.arange(4), where).tolist() == expected  # type: ignore[union-attr]
    assert take([0, 1, 2, 3], where) == expected


def test_only_alike_values_are_joined() -> None:
    assert join([["a"], ["b", "c"]]) == ["a", "b", "c"]
    joined = join([torch.zeros(1, 2), torch.ones(2, 2)])
    assert isinstance(joined, torch.Tensor)
    assert joined.sum(1).tolist() == [0, 2, 2]
    for parts in ([torch.zeros(1, 2), torch.zeros(1, 3)], [torch.zeros(1), ["a"]]):
        with pytest.raises(RuntimeError):
            join(parts)  # type: ignore[arg-type]


def test_real_numbers_alone_are_cast() -> None:
    given = {
        "half": torch.ones(1).half(), "time": torch.tensor([2**53 + 1]),
        "yes": torch.tensor([True]),
        "wave": torch.ones(1, dtype=torch.complex128), "text": "t",
    }  # fmt: skip
    found = cast(given, torch.device("cpu"), torch.float64)
    assert {n: x.dtype for n, x in found.items() if n != "text"} == {
        "half": torch.float64, "time": torch.int64, "yes": torch.bool, "wave": torch.complex128,
    }  # fmt: skip
    assert (found["time"].item(), found["text"]) == (2**53 + 1, "t")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (torch.ones(2), torch.ones(2), True),
        (torch.ones(2), torch.ones(2).double(), False),
        ([torch.ones(2), "a"], [torch.ones(2), "a"], True),
        ([torch.ones(2)], [torch.zeros(2)], False),
        ([1], (1,), False),
        ({"a": 1}, {"b": 1}, False),
        (torch.ones(1), 1.0, False),
    ],
)
def test_values_are_the_same(one: Any, other: Any, expected: bool) -> None:
    assert hold_same(one, other) is expected
