"""Depth and error metrics against plain loops, torchmetrics and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics import MeanAbsoluteError, MeanSquaredError
from torchmetrics.image import PeakSignalNoiseRatio

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS
from influence.metrics.values import DEPTH_METRICS
from influence.network.joint_network import Output
from tests.toy import rows_of, score


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Depths of 6 samples of 3 x 4 pixels; some true depths are NaN, zero or negative."""
    stream = np.random.default_rng(seed)
    truth = stream.uniform(0.5, 8, (6, 3, 4))
    values = truth * np.exp(stream.normal(0, 0.3, truth.shape))
    truth[:, 0, 0], truth[:, 0, 1], truth[:, 0, 2] = np.nan, 0.0, -1.0
    return values, truth


def by_loops(values: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Apply the definitions pixel by pixel, after Eigen et al. (2014), section 4.3."""
    pairs = [
        (float(y), float(t))
        for y, t in zip(values.ravel(), truth.ravel(), strict=True)
        if np.isfinite(t) and t > 0
    ]
    n = len(pairs)
    worst = [max(y / t, t / y) for y, t in pairs]
    centred = 0.0
    for sample, true in zip(values, truth, strict=True):
        logs = [math.log(y / t) for y, t in zip(sample.ravel(), true.ravel(), strict=True) if t > 0]
        centred += sum((d - sum(logs) / len(logs)) ** 2 for d in logs)
    return {
        "abs_rel": sum(abs(y - t) / t for y, t in pairs) / n,
        "sqr_rel": sum((y - t) ** 2 / t for y, t in pairs) / n,
        "sqr_rel_normalised": sum(((y - t) / t) ** 2 for y, t in pairs) / n,
        "log10": sum(abs(math.log10(y) - math.log10(t)) for y, t in pairs) / n,
        "depth_rms": math.sqrt(sum((y - t) ** 2 for y, t in pairs) / n),
        "rms_log": math.sqrt(sum((math.log(y) - math.log(t)) ** 2 for y, t in pairs) / n),
        "delta_1": sum(w < 1.25 for w in worst) / n,
        "delta_2": sum(w < 1.25**2 for w in worst) / n,
        "delta_3": sum(w < 1.25**3 for w in worst) / n,
        "si_log": math.sqrt(centred / n),
    }


@pytest.mark.parametrize("seed", range(3))
def test_depth_metrics_agree_with_plain_loops(seed: int) -> None:
    values, truth = drawn(seed)
    expected = by_loops(values, truth)
    assert set(expected) == {m.name for m in DEPTH_METRICS}
    for metric in DEPTH_METRICS:
        assert score(metric, values, truth) == pytest.approx(expected[metric.name], rel=1e-12)


def test_squared_relative_error_divides_by_the_true_depth() -> None:
    # (2 - 1)^2 / 1 and (1 - 2)^2 / 2, and with the square of the true depth below.
    assert score(METRICS["sqr_rel"], [[2.0, 1.0]], [[1.0, 2.0]]) == 0.75
    assert score(METRICS["sqr_rel_normalised"], [[2.0, 1.0]], [[1.0, 2.0]]) == 0.625


def test_delta_threshold_is_strict() -> None:
    border = [[1.25, 1 / 1.25, 1.2499, 1.0]]
    assert score(METRICS["delta_1"], border, np.ones((1, 4))) == 0.5
    assert score(METRICS["delta_2"], [[1.5625]], [[1.0]]) == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.2, 5.0))
def test_scale_invariant_error_ignores_a_constant_factor(seed: int, scale: float) -> None:
    values, truth = drawn(seed)
    metric = METRICS["si_log"]
    assert score(metric, scale * values, truth) == pytest.approx(score(metric, values, truth))


def test_scale_invariant_error_is_centred_in_each_sample() -> None:
    values, truth = drawn(0)
    factors = np.linspace(0.5, 2, len(values)).reshape(-1, 1, 1)
    metric = METRICS["si_log"]
    assert score(metric, factors * values, truth) == pytest.approx(score(metric, values, truth))


def test_range_bounds_the_truth_and_clamps_the_prediction() -> None:
    # 12 m is no valid truth; a guess of 99 m counts as 10 m, one of 0.1 m as 0.5 m.
    found = score(METRICS["rms"], [[99.0, 0.1, 3.0]], [[9.0, 1.5, 12.0]], range=(0.5, 10.0))
    assert found == 1.0


def test_truth_at_the_ends_of_the_range_is_valid() -> None:
    rows = rows_of(METRICS["rms"], [[1.0, 1.0, 1.0]], [[0.5, 10.0, 10.1]], range=(0.5, 10.0))
    assert METRICS["rms"].statistic.valid(rows).tolist() == [2.0]


def test_prediction_of_no_depth_has_finite_logarithms() -> None:
    assert score(METRICS["rms_log"], [[0.0, -3.0]], [[1.0, 1.0]]) == pytest.approx(math.log(1000))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("rms", MeanSquaredError(squared=False)),
        ("mse", MeanSquaredError()),
        ("mae", MeanAbsoluteError()),
        ("psnr", PeakSignalNoiseRatio(data_range=10.0)),
    ],
)
def test_agrees_with_torchmetrics_on_valid_pixels(name: str, reference: torch.nn.Module) -> None:
    values, truth = drawn(4)
    valid = truth > 0
    truth = np.where(valid, truth, np.nan)
    values = values.clip(0.0, 10.0)
    expected = reference(torch.from_numpy(values[valid]), torch.from_numpy(truth[valid])).item()
    found = score(METRICS[name], values, truth, range=(0.0, 10.0))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("invalid", [np.nan, np.inf, 0.0, -1.0])
@pytest.mark.parametrize("guess", [0.0, 1e30])
def test_pixels_without_true_depth_count_for_nothing(invalid: float, guess: float) -> None:
    rows = rows_of(METRICS["depth_rms"], [[guess, 2.0]], [[invalid, 3.0]])
    np.testing.assert_array_equal(rows, rows_of(METRICS["depth_rms"], [[2.0]], [[3.0]]))


def test_integers_below_zero_are_values() -> None:
    assert score(METRICS["mse"], [[5.0, 1.0]], [[-1, 3]]) == (36 + 4) / 2


def test_root_mean_square_takes_values_of_either_sign() -> None:
    values, truth = np.random.default_rng(2).normal(size=(2, 6, 3, 4))
    expected = math.sqrt(((values - truth) ** 2).mean())
    assert score(METRICS["rms"], values, truth) == pytest.approx(expected, rel=1e-12)
    assert score(METRICS["depth_rms"], values, truth) != pytest.approx(expected, rel=0.1)


def test_root_mean_square_of_one_value_a_sample() -> None:
    assert score(METRICS["rms"], [[-1.0], [2.0]], [-4.0, -2.0]) == math.sqrt((9 + 16) / 2)


def test_root_mean_square_of_positive_depth_is_that_of_depth() -> None:
    values, truth = drawn(5)
    truth = np.where(truth > 0, truth, np.nan)
    assert score(METRICS["rms"], values, truth) == pytest.approx(
        score(METRICS["depth_rms"], values, truth), rel=1e-12
    )


def test_mean_signal_to_noise_ratio_averages_over_pictures() -> None:
    values, truth = np.random.default_rng(3).uniform(0, 1, (2, 5, 3, 4, 4))
    values[0] = truth[0] + 0.01 * (values[0] - truth[0])  # one picture much better than the others
    reference = PeakSignalNoiseRatio(data_range=1.0, reduction="elementwise_mean", dim=(1, 2, 3))
    expected = reference(torch.from_numpy(values), torch.from_numpy(truth)).item()
    assert score(METRICS["psnr_mean"], values, truth, range=(0.0, 1.0)) == pytest.approx(expected)
    assert score(METRICS["psnr"], values, truth, range=(0.0, 1.0)) < expected - 3


def test_a_perfect_picture_has_an_infinite_ratio_and_rows_that_are_finite() -> None:
    rows = rows_of(METRICS["psnr_mean"], [[1.0], [0.0]], [[1.0], [0.5]], range=(0.0, 1.0))
    assert np.isfinite(rows).all()
    assert METRICS["psnr_mean"].formula(rows.sum(0)) == math.inf
    assert METRICS["psnr_mean"].formula(rows[1]) == pytest.approx(10 * math.log10(4))


def test_the_range_of_the_output_comes_before_that_of_the_file() -> None:
    known = Output("y", range=(0.0, 10.0)), Field((1,), False, range=(0.0, 1.0))
    prediction = Prediction(torch.tensor([[12.0]]), torch.tensor([[9.0]]), *known)
    rows = METRICS["psnr"].statistic.update(prediction)
    assert rows.tolist() == [[1.0, 1.0, 100.0]]


def test_perfect_prediction_has_an_infinite_signal_to_noise_ratio() -> None:
    assert score(METRICS["psnr"], [[1.0]], [[1.0]], range=(0.0, 1.0)) == math.inf
    assert np.isnan(score(METRICS["psnr"], [[1.0]], [[np.nan]], range=(0.0, 1.0)))


def test_signal_to_noise_ratio_needs_a_peak() -> None:
    with pytest.raises(InfluenceError, match=r"Output\('y', range=\(low, high\)\)"):
        score(METRICS["psnr"], [[1.0]], [[1.0]])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 5))
def test_rows_do_not_depend_on_batches_or_order(seed: int, cut: int) -> None:
    values, truth = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    for metric in (METRICS["rms"], METRICS["mse"]):
        whole = rows_of(metric, values, truth)
        parts = [rows_of(metric, values[:cut], truth[:cut]),
                 rows_of(metric, values[cut:], truth[cut:])]  # fmt: skip
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
        np.testing.assert_allclose(rows_of(metric, values[order], truth[order]), whole[order],
                                   rtol=1e-12)  # fmt: skip


def test_channel_axis_of_length_one_means_the_same_map() -> None:
    values, truth = drawn(1)
    for options in ({}, {"range": (0.5, 8.0)}):
        given: dict[str, Any] = dict(options)
        assert score(METRICS["rms"], values[:, None], truth, **given) == score(
            METRICS["rms"], values, truth, **given
        )


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InfluenceError, match=r"shape \(4,\) a sample .* has \(2, 2\). Resize"):
        score(METRICS["rms"], np.ones((1, 4)), np.ones((1, 2, 2)))
