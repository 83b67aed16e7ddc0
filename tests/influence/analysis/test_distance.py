"""The distance of muted features: known Gaussians, another library's shrinkage, every guard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from influence.analysis.distance import (
    FEWEST,
    THRESHOLD,
    distance_frame,
    distance_of,
    shrunk_covariance,
)
from influence.analysis.omega import Subject
from influence.engine.collectors import Features
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork
from influence.plan.setups import Condition
from influence.statistics.rows import RowKey, feature_keys

SUBJECT = Subject("net", 0, "data", ("x", "y"), {}, {}, {})
FULL, NO_X, NEITHER = (
    Condition("zero" if s else "none", frozenset(s)) for s in ("", "x", ("x", "y"))
)


def gaussian(n: int, shift: float = 0.0, seed: int = 0) -> Any:
    """Draw correlated channels of very different scales."""
    stream = np.random.default_rng(seed)
    mixed = stream.standard_normal((n, 4)) @ np.array(
        [[1, 0.9, 0, 0], [0, 0.4, 0, 0], [0, 0, 30, 0], [0, 0, 0, 0.1]]
    )
    return mixed + shift * np.array([0, 0, 30, 0.1])


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_a_shift_is_as_far_as_the_closed_form_says(shift: float) -> None:
    """E d^2 = (channels + shift^2 over two channels) / channels, for the whitened Gaussian."""
    distance, _ = distance_of(gaussian(20_000), gaussian(20_000, shift, seed=1))
    assert distance == pytest.approx(np.sqrt((4 + 2 * shift**2) / 4), rel=0.02)


def test_a_broken_correlation_is_seen() -> None:
    """Each channel alone is as it was; together they are far from the data."""
    clean = gaussian(5000)
    broken = np.random.default_rng(1).permuted(clean, axis=0)
    covariance = np.cov(clean.T)
    expected = np.trace(np.linalg.inv(covariance) @ np.diag(np.diag(covariance))) / 4
    distance, outside = distance_of(clean, broken)
    assert distance == pytest.approx(np.sqrt(expected), rel=0.05)
    assert outside < 0.001


def test_channels_outside_the_range() -> None:
    clean = np.random.default_rng(0).uniform(size=(400, 4))
    muted = clean.copy()
    muted[:, 0] = 1.5
    muted[::2, 1] = -0.5
    _, outside = distance_of(clean, muted)
    assert outside == pytest.approx(0.25 + 0.125, abs=0.01)


@given(st.integers(3, 40), st.integers(2, 12), st.integers(0, 1000))
def test_units_and_order_of_channels_do_not_matter(n: int, channels: int, seed: int) -> None:
    stream = np.random.default_rng(seed)
    clean, muted = stream.standard_normal((2, n + FEWEST, channels))
    order, scale = stream.permutation(channels), stream.uniform(0.1, 10)
    expected = distance_of(clean, muted)
    found = distance_of(clean[:, order] * scale + 3, muted[:, order] * scale + 3)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_new_clean_features_are_as_far_as_the_old() -> None:
    """With more channels than samples a covariance fitted on the same samples would overfit."""
    stream = np.random.default_rng(0)
    found = [distance_of(*stream.standard_normal((2, 40, 60)))[0] for _ in range(20)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.02)


def test_shrinkage_comes_near_the_best_there_is() -> None:
    """Of all weights between the sample's covariance and the identity, nearly the least error."""
    stream = np.random.default_rng(0)
    truth = 0.5 ** np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    errors: list[tuple[float, float]] = []
    for _ in range(30):
        rows = stream.multivariate_normal(np.zeros(20), truth, size=15)
        sample = rows.T @ rows / 15
        level = np.trace(sample) / 20 * np.eye(20)
        best = min(
            np.square((1 - w) * sample + w * level - truth).sum() for w in np.linspace(0, 1, 101)
        )
        errors.append((np.square(shrunk_covariance(rows) - truth).sum(), best))
    found, best = np.mean(errors, axis=0)
    assert best <= found < 1.1 * best


def test_what_the_network_was_trained_on_is_not_far() -> None:
    """A token that it knows is as near as the data; what lies between both is far from either."""
    clean = np.random.default_rng(0).standard_normal((400, 3))
    token = np.column_stack([np.full(400, -20.0), clean[:, 1:]])
    between = np.column_stack([np.full(400, -10.0), clean[:, 1:]])
    assert distance_of(clean, token)[0] > 10
    assert distance_of(clean, token, trained=[token])[0] == pytest.approx(1.0, abs=0.1)
    assert distance_of(clean, between, trained=[token])[0] > 5
    assert distance_of(clean, clean, trained=[token])[0] == pytest.approx(1.0, abs=0.1)
    assert distance_of(clean, token, trained=[token])[1] < 0.05


def test_the_mute_that_a_network_was_trained_with_is_declared() -> None:
    stream = np.random.default_rng(0)
    clean, other = stream.standard_normal((2, 60, 3))
    features = {
        RowKey(FULL, "at:fuse.add", "features"): clean,
        RowKey(NO_X, "at:fuse.add", "features"): other + 30,
    }
    warned = [
        bool(distance_frame(features, replace(SUBJECT, missing=missing))["warning"].item())
        for missing in ({}, {"x": "zero"}, {"x": "mean"})
    ]
    assert warned == [True, False, True]


def test_dead_channels_are_no_division_by_zero() -> None:
    clean = np.column_stack([np.random.default_rng(0).standard_normal(50), np.zeros(50)])
    alive = clean + np.array([0.0, 1.0])
    assert distance_of(clean, clean)[0] == pytest.approx(1.0, abs=0.1)
    assert distance_of(clean, alive)[0] > 5
    assert distance_of(np.zeros((20, 2)), np.ones((20, 2)))[1] == 1.0


def test_the_table_has_single_sites_that_reach_a_place() -> None:
    stream = np.random.default_rng(0)
    clean, muted = stream.standard_normal((2, 30, 3))
    muted[3] = np.nan  # a batch that took another way
    features = {
        RowKey(FULL, "at:fuse.add", "features"): clean,
        RowKey(NO_X, "at:fuse.add", "features"): muted + 9,
        RowKey(NEITHER, "at:fuse.add", "features"): muted,
        RowKey(FULL, "at:edge:y", "features"): clean,
        RowKey(NO_X, "at:edge:y", "features"): clean,
    }
    (row,) = distance_frame(features, SUBJECT).to_dict("records")
    assert (row["mute"], row["source"], row["place"], row["samples"]) == (
        "zero",
        "x",
        "fuse.add",
        29,
    )
    assert row["warning"] is True
    assert row["distance"] > THRESHOLD == row["threshold"]


def test_of_a_few_samples_nothing_is_said() -> None:
    few = np.random.default_rng(0).standard_normal((2, FEWEST - 1, 3))
    keys = [RowKey(condition, "at:fuse.add", "features") for condition in (FULL, NO_X)]
    assert distance_frame(dict(zip(keys, few, strict=True)), SUBJECT).empty


def test_features_of_several_processes_come_in_order() -> None:
    (key,) = feature_keys([FULL], ["at:fuse.add"])
    values = np.random.default_rng(0).standard_normal((10, 3))
    whole = Features(count=4096)  # which keeps every second sample
    for part in (range(4, 8), range(4), range(8, 10)):
        one, indices = Features(count=4096), np.array(part)
        rows = {key: values[indices]}
        one.take(indices, rows)
        assert not rows
        whole.merge(one.packed(), [key])
    assert np.array_equal(whole.arrays()[key], values[::2])


class Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x, self.y, self.head = nn.Conv2d(2, 3, 1), nn.Conv2d(1, 3, 1), nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        joint: Tensor = self.head(torch.cat([self.x(x), self.y(y)], 1).relu_())
        return joint


@pytest.fixture(scope="module")
def fusion() -> tuple[JointNetwork, list[Any]]:
    torch.manual_seed(0)
    x, y = torch.randn(40, 2, 4, 5) + 4, torch.randn(40, 1, 4, 5)
    net = JointNetwork(Fusion().eval(), inputs=("x", "y"), outputs=("t",))
    return net, [({"x": x, "y": y}, {"t": torch.zeros(40, 1, 4, 5)})]


def test_measured_where_modalities_meet(
    fusion: tuple[JointNetwork, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influence.engine.trial.WORTH_TRACING", -1.0)
    net, data = fusion
    run = measure(net, data, mutes=["zero", "shuffle"], batch_size=9, draws=10)
    found = run.distance.set_index(["mute", "source"])
    assert set(run.distance["place"]) == {"network.cat"}
    inputs, branches = data[0][0], [net.module.get_submodule(name) for name in "xy"]
    with torch.no_grad():
        clean, muted = (
            torch.cat([branches[0](x), branches[1](inputs["y"])], 1).mean((2, 3)).double().numpy()
            for x in (inputs["x"], torch.zeros_like(inputs["x"]))
        )
    assert found.loc[("zero", "x"), "distance"] == pytest.approx(
        distance_of(clean, muted)[0], rel=1e-3
    )
    assert found.loc[("zero", "x"), "warning"]  # a mean of 4 and a deviation of 1, far from zeros
    assert not found.loc[("shuffle", "x"), "warning"]
    assert (run.distance["samples"] == 40).all()


def test_batches_and_the_place_that_is_named(
    fusion: tuple[JointNetwork, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = fusion
    named = measure(net, data, mutes=["zero"], meeting="head", draws=10)  # by a hook
    monkeypatch.setattr("influence.engine.trial.WORTH_TRACING", -1.0)
    traced = measure(net, data, mutes=["zero"], meeting="head", draws=10, batch_size=7)
    assert named.info["paths"] != traced.info["paths"]
    pd.testing.assert_frame_equal(named.distance, traced.distance, rtol=1e-3)
    assert set(named.distance["place"]) == {"head"}
    assert measure(net, data, mutes=["zero"], meeting="off", draws=10).distance.empty
    with pytest.raises(InfluenceError, match=r"unknown module .*'heads': did you mean 'head'"):
        measure(net, data, mutes=["zero"], meeting="heads", draws=10)


def test_outside_agrees_with_the_tail_of_a_normal() -> None:
    """Of muted features three deviations off, so many lie beyond the greatest clean one."""
    clean, muted = np.random.default_rng(0).standard_normal((2, 2000, 5))
    greatest = [clean[start::2].max(0) for start in (0, 1)]
    expected = np.mean([stats.norm.sf(top - 3) for top in greatest])
    assert distance_of(clean, muted + 3)[1] == pytest.approx(expected, abs=0.01)
