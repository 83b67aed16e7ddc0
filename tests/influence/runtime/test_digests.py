"""Digests differ wherever data do, and agree wherever batches are cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from influence.runtime import digests
from influence.runtime.digests import RunningDigest, SeenNames, digest_of


@dataclass
class Scan:
    points: Any


@dataclass(slots=True)
class Slots:
    points: Any


class Called(Scan):
    def __call__(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
        (torch.zeros(2), torch.tensor([0.0, -0.0])),
        (torch.tensor(1.0), torch.tensor([1.0])),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.float16)),
        (torch.ones(2, dtype=torch.complex64).conj(), torch.full((2,), 1 + 0j).conj() * 1j),
        (torch.eye(2).to_sparse(), torch.ones(2, 2).to_sparse()),
        (torch.empty(2, device="meta"), torch.empty(3, device="meta")),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.array(["a", None], object), np.array(["b", None], object)),
        (["ab", "c"], ["a", "bc"]),
        (["1"], [1]),
        ([1], [True]),
        ([[1], 2], [[1, 2]]),
        ({"x": 1, "y": 2}, {"x": 2, "y": 1}),
        ({1, 2}, {1, 3}),
        ([10**5000], [10**5000 + 1]),
        ("\ud800", "\ud801"),
        (Scan(torch.zeros(2)), Scan(torch.ones(2))),
        (Path("a"), Path("b")),
        (Slots(torch.zeros(2)), Slots(torch.ones(2))),
        (Called(torch.zeros(2)), Called(torch.ones(2))),
        (datetime(2020, 1, 1), datetime(2020, 1, 2)),
        (pd.DataFrame({"x": [1.0]}), pd.DataFrame({"x": [2.0]})),
        (pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")),
        (memoryview(b"a"), memoryview(b"b")),
        (ValueError("a"), ValueError("b")),
        (np.ma.masked_equal([1, 2], 1), np.ma.masked_equal([1, 2], 2)),
        (np.array([(1, "a")], "i4,O"), np.array([(1, "b")], "i4,O")),
        (Image.new("L", (2, 2), 1), Image.new("L", (2, 2), 2)),
    ],
)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert digest_of(one) == digest_of(one) != digest_of(other)


def test_order_in_memory_and_of_keys_does_not_count() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    assert digest_of(x.T.contiguous().T) == digest_of(x)
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a", "b", "c"}) == digest_of({"c", "b", "a"})


def test_objects_that_all_hold_each_other_take_no_time() -> None:
    scans = [Scan(None) for _ in range(40)]
    for scan in scans:
        scan.points = scans
    assert digest_of(scans) == digest_of(scans)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_the_scale_of_quantised_values_counts() -> None:
    one, other = (
        torch.quantize_per_tensor(torch.ones(2) * scale, scale, 0, torch.qint8)
        for scale in (0.1, 0.2)
    )
    assert one.int_repr().equal(other.int_repr())
    assert digest_of(one) != digest_of(other)


def test_the_sample_at_which_a_context_changes_counts() -> None:
    x, first, second = torch.zeros(4, 2), torch.eye(2), torch.ones(2, 2)
    found = []
    for cut in (1, 3):
        running = RunningDigest()
        running.add({"x": x[:cut]}, {"k": first})
        found.append(running.add({"x": x[cut:]}, {"k": second}))
    assert found[0] != found[1]


def test_a_circle_of_objects_has_a_digest() -> None:
    scan = Scan(None)
    scan.points = [scan]
    assert digest_of(scan) == digest_of(scan)


@given(st.lists(st.integers(0, 8), max_size=4))
def test_running_digest_does_not_depend_on_where_batches_are_cut(cuts: list[int]) -> None:
    x, names = torch.arange(16.0).reshape(8, 2), list("abcdefgh")
    whole = RunningDigest().add({"x": x, "ids": names}, {"k": torch.eye(3)})
    parts, ends = RunningDigest(), [0, *sorted(cuts), 8]
    for start, end in pairwise(ends):
        found = parts.add({"x": x[start:end], "ids": names[start:end]}, {"k": torch.eye(3)})
    assert found == whole


@pytest.mark.parametrize(
    "change",
    [
        lambda x, k: (x.flip(0), k),
        lambda x, k: (x.T.reshape(2, 4), k),
        lambda x, k: (x.double(), k),
        lambda x, k: (x, k + 1),
    ],
)
def test_running_digest_sees_order_shape_type_and_contexts(
    change: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> None:
    x, k = torch.arange(8.0).reshape(4, 2), torch.eye(2)
    first, second = RunningDigest(), RunningDigest()
    assert first.add({"x": x}, {"k": k}) == second.add({"x": x}, {"k": k})
    other, context = change(x, k)
    assert first.add({"x": x}, {"k": k}) != second.add({"x": other}, {"k": context})


def test_names_that_repeat_are_found_however_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "RECENT", 5)
    seen = SeenNames()
    for i in range(0, 200, 4):
        assert seen.add([str(j) for j in range(i, i + 4)]) is None
    assert [seen.add([name]) for name in ("0", "57", "199", "200")] == ["0", "57", "199", None]
    assert seen.add(["new", "new"]) == "new"
