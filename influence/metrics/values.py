"""Metrics of real-valued outputs: depth maps, and anything else that is compared by difference.

Depth metrics are those of Eigen, Puhrsch and Fergus (NIPS 2014), pooled over all valid pixels of
the data set. `sqr_rel` divides by the true depth, which is what the tables of arXiv 1702.08009
hold; what its text prints (the square of the true depth) is `sqr_rel_normalised`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Array, Metric, Prediction, Statistic, ratio

__all__ = ["DEPTH_METRICS", "ERROR_METRICS"]

SMALLEST_DEPTH = 1e-3
"""Depths are clamped to at least this before they are scored, in the unit of the file."""


def _pair(prediction: Prediction) -> tuple[Tensor, Tensor, Tensor]:
    """Return prediction, truth and validity as float64, float64, bool, shape (samples, places)."""
    values, target, name = prediction.values, prediction.target, prediction.output.name
    samples = len(target)
    # A channel axis of length one on either side means the same map.
    if values[0].squeeze().shape != target[0].squeeze().shape:
        raise InfluenceError(
            f"output {name!r}: the network gives shape {tuple(values.shape[1:])} a sample and the "
            f"ground truth has {tuple(target.shape[1:])}. Resize one to the other"
        )
    truth = target.double().reshape(samples, -1)
    valid = truth.isfinite() if target.is_floating_point() else target.reshape(samples, -1) >= 0
    if prediction.field.range is not None:
        low, high = prediction.field.range
        valid &= (truth >= low) & (truth <= high)
        values = values.clamp(low, high)
    return values.double().reshape(samples, -1), truth, valid


def _sums(columns: list[Tensor], valid: Tensor) -> Tensor:
    zero = torch.zeros((), dtype=torch.float64, device=valid.device)
    return torch.stack([torch.where(valid, c, zero).sum(1) for c in columns], dim=1)


def _depth_errors(prediction: Prediction) -> Tensor:
    """Sum over valid pixels the terms of every depth metric; columns as in `COLUMNS`."""
    guess, truth, valid = _pair(prediction)
    valid = valid & (truth > 0)
    truth = torch.where(valid, truth, torch.ones_like(truth))
    guess = guess.clamp(min=SMALLEST_DEPTH)
    error, logs = guess - truth, (guess / truth).log()
    # exp of |log ratio| would lose the strict comparison at the border.
    worst = torch.maximum(guess / truth, truth / guess)
    sums = _sums(
        [
            torch.ones_like(truth),
            error.abs() / truth,
            error.square() / truth,
            error.square() / truth.square(),
            logs.abs() / np.log(10),
            error.square(),
            logs.square(),
            logs,
            (worst < 1.25).double(),
            (worst < 1.25**2).double(),
            (worst < 1.25**3).double(),
        ],
        valid,
    )
    # The scale-invariant error removes each sample's own mean, so it is finished per sample.
    centred = sums[:, 6] - torch.where(sums[:, 0] > 0, sums[:, 7].square() / sums[:, 0], 0.0)
    sums[:, 7] = centred.clamp(min=0)
    return sums


COLUMNS = (
    "pixels", "abs_rel", "sqr_rel", "sqr_rel_normalised", "log10", "square", "log_square",
    "log_square_centred", "delta_1", "delta_2", "delta_3",
)  # fmt: skip
DEPTH_ERRORS = Statistic("depth_errors", _depth_errors, valid=lambda rows: rows[..., 0])


def _depth_metric(
    name: str, column: str, *, root: bool = False, higher_is_better: bool = False, unit: str = ""
) -> Metric:
    place = COLUMNS.index(column)

    def formula(sums: Array) -> Array:
        mean = ratio(sums[..., place], sums[..., 0])
        return np.sqrt(mean) if root else mean

    return Metric(name, DEPTH_ERRORS, formula, higher_is_better, unit)


DEPTH_METRICS = (
    _depth_metric("abs_rel", "abs_rel"),
    _depth_metric("sqr_rel", "sqr_rel", unit="{unit}"),
    _depth_metric("sqr_rel_normalised", "sqr_rel_normalised"),
    _depth_metric("log10", "log10"),
    _depth_metric("rms", "square", root=True, unit="{unit}"),
    _depth_metric("rms_log", "log_square", root=True),
    _depth_metric("delta_1", "delta_1", higher_is_better=True),
    _depth_metric("delta_2", "delta_2", higher_is_better=True),
    _depth_metric("delta_3", "delta_3", higher_is_better=True),
    _depth_metric("si_log", "log_square_centred", root=True),
)


def _errors(prediction: Prediction) -> Tensor:
    """Sum over valid places: ones, squared error, absolute error."""
    guess, truth, valid = _pair(prediction)
    truth = torch.where(valid, truth, torch.zeros_like(truth))
    error = guess - truth
    return _sums([torch.ones_like(truth), error.square(), error.abs()], valid)


def _peak_errors(prediction: Prediction) -> Tensor:
    """Sum over valid places: ones, squared error, squared peak, which is the width of the range."""
    if prediction.field.range is None:
        raise InfluenceError(
            f"targets/{prediction.output.name}: psnr needs the dataset's attribute 'range' = (low, "
            "high), such as (0, 255)"
        )
    low, high = prediction.field.range
    sums = _errors(prediction)
    return torch.stack([sums[:, 0], sums[:, 1], sums[:, 0] * (high - low) ** 2], dim=1)


ERRORS = Statistic("errors", _errors, valid=lambda rows: rows[..., 0])


def _psnr(sums: Array) -> Array:
    # A perfect prediction has an infinite ratio, a sample without truth none (0 / 0).
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(sums[..., 2] / sums[..., 1])


ERROR_METRICS = (
    Metric("mse", ERRORS, lambda s: ratio(s[..., 1], s[..., 0]), False, "{unit}^2"),
    Metric("mae", ERRORS, lambda s: ratio(s[..., 2], s[..., 0]), False, "{unit}"),
    Metric(
        "psnr",
        Statistic("peak_errors", _peak_errors, valid=lambda rows: rows[..., 0]),
        _psnr,
        True,
        "dB",
    ),
)
