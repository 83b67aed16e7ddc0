"""A user's own metric: a mean over the elements with ground truth, whatever the others hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.metrics.decorator import ItemFunction, metric
from influence.metrics.metric import Items, Metric
from influence.metrics.registry import find_metrics
from influence.network.joint_network import Output
from tests.own_metrics import own_mae, right, within
from tests.toy import rows_of, score, toy

LOWER = metric(higher_is_better=False, name="own")


def test_mean_over_the_elements_with_truth() -> None:
    values = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    target = np.array([[1.25, 4.0, np.nan], [np.nan, np.nan, 0.75]])
    assert rows_of(within, values, target).tolist() == [[2.0, 1.0], [1.0, 1.0]]
    assert score(within, values, target) == 2 / 3  # not the mean of 1/2 and 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 5))
def test_rows_agree_with_numpy_and_do_not_depend_on_batches(seed: int, cut: int) -> None:
    stream = np.random.default_rng(seed)
    values, target = stream.normal(size=(2, 6, 4, 5))
    target[stream.random(target.shape) < 0.3] = np.nan
    rows = rows_of(own_mae, values[:, None], target)  # a channel axis of length one
    known = ~np.isnan(target)
    expected = np.where(known, np.abs(values - target), 0).sum((1, 2))
    np.testing.assert_allclose(rows, np.stack([known.sum((1, 2)), expected], 1), rtol=1e-12)
    parts = [rows_of(own_mae, v[:, None], t) for v, t in
             ((values[:cut], target[:cut]), (values[cut:], target[cut:]))]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(parts), rows)


def test_whatever_stands_where_there_is_no_truth_counts_for_nothing() -> None:
    def spoilt(prediction: Tensor, target: Tensor) -> Tensor:
        gap = (prediction - target).abs()
        return torch.where(target.isnan(), torch.inf, gap)

    target = np.array([[1.0, np.nan], [np.nan, 4.0]])
    assert score(LOWER(spoilt), np.zeros((2, 2)), target) == 2.5


def test_number_a_sample() -> None:
    def largest(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().nan_to_num(0.0).amax(dim=(1, 2))

    target = np.full((3, 2, 2), np.nan)
    target[0, 0, 0], target[2] = 3.0, 5.0
    assert rows_of(LOWER(largest), np.zeros((3, 1, 2, 2)), target).tolist() == [
        [1.0, 3.0], [0.0, 0.0], [1.0, 5.0]
    ]  # fmt: skip


def test_pixel_of_several_channels_counts_where_all_have_truth() -> None:
    def angle(prediction: Tensor, target: Tensor) -> Tensor:
        return torch.rad2deg((prediction * target).sum(1).clamp(-1, 1).acos())

    normals = np.zeros((1, 3, 1, 3))
    normals[:, 0] = 1.0
    target = np.roll(normals, 1, axis=1)  # at right angles
    target[0, :, 0, 0] = [1.0, 0.0, 0.0]
    target[0, 2, 0, 2] = np.nan
    rows = rows_of(LOWER(angle), normals, target)
    np.testing.assert_allclose(rows, [[2.0, 90.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda p, t: (p - t).abs().mean(),
            r"expected a number for each element .*shape \(\)",
        ),
        (lambda p, t: p[:, :1], r"target of shape \(2, 3\).*got the shape \(2, 1\)"),
        (lambda p, t: 0.5, "expected a tensor of real numbers, got float"),
        (lambda p, t: p * 1j, "expected a tensor of real numbers, got torch.complex"),
        (lambda p, t: p @ t, "expected a tensor of real numbers, got RuntimeError: "),
    ],
)
def test_what_a_function_may_not_do(
    function: Callable[[Tensor, Tensor], Tensor], message: str
) -> None:
    with pytest.raises(InfluenceError, match=f"metric 'own' of output 'y': .*{message}"):
        score(LOWER(function), np.zeros((2, 3)), np.zeros((2, 3)))


def test_name_is_that_of_the_function_or_another() -> None:
    assert (within.name, own_mae.unit, within.higher_is_better) == ("within", "{unit}", True)
    nameless = partial(torch.sub, alpha=2)
    with pytest.raises(InfluenceError, match=r"printable name without '/' and '@', got ''.*name="):
        metric(higher_is_better=True)(nameless)
    with pytest.raises(InfluenceError, match="'a/b'"):
        metric(higher_is_better=True, name="a/b")(nameless)
    assert metric(higher_is_better=True, name="gap")(nameless).name == "gap"


def test_name_of_another_metric_is_refused() -> None:
    with pytest.raises(InfluenceError, match="of your own is called 'rms'"):
        find_metrics([metric(higher_is_better=False, name="rms")(torch.sub)])


@pytest.mark.parametrize(
    ("output", "own", "builtin"), [("depth", own_mae, "mae"), ("semantic", right, "pixel_accuracy")]
)
def test_everything_is_as_for_the_same_metric_of_the_library(
    toy_file: Path, output: str, own: Metric, builtin: str
) -> None:
    run = measure(toy(), toy_file, metrics={output: [own, builtin]}, batch_size=5, draws=100)
    for name in ("influence", "performance", "samples"):
        frame = getattr(run, name)
        one, other = (
            frame[frame["metric"] == n].drop(columns="metric").reset_index(drop=True)
            for n in (own.name, builtin)
        )
        numbers = one.select_dtypes("number").drop(columns="p_holm", errors="ignore")
        assert numbers.notna().to_numpy().all()
        assert (numbers - other[numbers.columns]).abs().max().max() < 1e-9
        assert one.drop(columns=numbers).equals(other.drop(columns=numbers))


def test_number_a_sample_that_is_nan_names_the_sample(toy_file: Path) -> None:
    def mean(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs().mean(dim=(1, 2))  # some pixels have no truth

    with pytest.raises(
        InfluenceError, match=r"'mean:own' of output 'depth' is NaN .* '0' under full.*itself"
    ):
        measure(toy(), toy_file, metrics={"depth": [LOWER(mean)]}, mutes=["zero"])


def test_by_module_and_name() -> None:
    by_name = find_metrics(["tests.own_metrics:within", "rms"])
    assert by_name == [within, *find_metrics(["rms"])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests.own_metrics:gone", r"'tests.own_metrics:gone'.*gone.*under @influence\.metric"),
        ("tests.own_metrics:undecorated", r"missing 2 .* under @influence\.metric\("),
        ("tests.toy:CLASSES", "tests.toy:CLASSES: expected a metric: .*, got tuple"),
    ],
)
def test_name_of_no_metric(text: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        find_metrics([text])


def items(values: list[object], targets: list[object]) -> Items:
    return Items(values, targets, Output("found", "text"))


def test_what_is_no_tensor_is_scored_one_sample_at_a_time() -> None:
    def same(prediction: str, target: str) -> float:
        return prediction == target

    update: object = LOWER(same).statistic.update
    assert isinstance(update, ItemFunction)
    rows = update.of_items(items(["a cat", "dog", ""], ["a cat", "cat", ""]))
    assert rows.tolist() == [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    assert LOWER(same).formula(rows.numpy().sum(0)) == 2 / 3


@pytest.mark.parametrize("function", [lambda p, t: p + t, lambda p, t: None])
def test_what_a_function_does_to_a_sample_is_told(function: Callable[..., object]) -> None:
    update: object = LOWER(function).statistic.update
    assert isinstance(update, ItemFunction)
    with pytest.raises(InfluenceError, match=r"'found'.* type str and a target of type int"):
        update.of_items(items(["a"], [1]))


def test_a_function_may_change_what_it_is_given() -> None:
    values, target = np.ones((2, 3)), np.zeros((2, 3))
    changing = LOWER(lambda p, t: p.sub_(t.add_(1)).abs())
    kept = torch.from_numpy(values)
    assert score(changing, values, target) == 0
    assert kept.tolist() == [[1.0] * 3] * 2
