"""Metrics of real-valued outputs: depth maps, and anything else that is compared by difference.

Depth metrics are those of Eigen, Puhrsch and Fergus (NIPS 2014), pooled over all valid pixels of
the data set. `sqr_rel` divides by the true depth, as the numbers in the tables of arXiv 1702.08009
do; `sqr_rel_normalised` divides by its square, as the formula in the text there does. `si_log` is
the root of their scale-invariant error D (Eqn 1), with the mean log ratio subtracted in each
sample. Depth metrics leave out pixels whose true depth is not positive, and clamp predictions to
0.001 or more.

`mse`, `mae` and `rms`, the root of `mse`, take every valid number, of either sign. Of an output of
kind depth `rms` is `depth_rms`, as in the tables of those publications. `psnr` is
10 log10(peak^2 / mse), of the error pooled over all pictures; `psnr_mean` is the mean of the ratios
of single pictures, as tables of image restoration print it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Array, Metric, Prediction, Statistic, ratio

__all__ = ["DEPTH_METRICS", "DEPTH_RMS", "ERROR_METRICS", "without_range"]

SMALLEST_DEPTH = 1e-3
"""Depths are clamped to at least this before they are scored, in the unit of the file."""

Range = tuple[float, float] | None


def _checked(prediction: Prediction, *, positive: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return prediction, truth and validity as float64, float64, bool, shape (samples, pixels).

    Without ground truth both are 1, so that their difference and log ratio are zero. With
    `positive`, only a positive truth counts, and predictions are clamped to be positive.
    """
    values, target, name = prediction.values, prediction.target, prediction.output.name
    # A channel axis of length one on either side means the same map.
    if _lengths(values) != _lengths(target):
        raise InfluenceError(
            f"output {name!r}: the network gives shape {tuple(values.shape[1:])} a sample and the "
            f"ground truth has {tuple(target.shape[1:])}. Resize one to the other"
            + (f", as with Output({name!r}, resize='bilinear')" if values.ndim > 2 else "")
        )
    limits = prediction.range
    truth, valid = prediction.of_truth(
        f"values, {positive=}", lambda: _checked_truth(target, limits, positive=positive)
    )
    guess = prediction.of_values(
        f"values, {positive=}", lambda: _checked_guess(values, limits, positive=positive)
    )
    return torch.where(valid, guess, truth), truth, valid


def _lengths(values: Tensor) -> list[int]:
    return [length for length in values.shape[1:] if length != 1]


def _checked_guess(values: Tensor, limits: Range, *, positive: bool) -> Tensor:
    if limits is not None:
        values = values.clamp(*limits)
    guess = values.double().reshape(len(values), -1)
    return guess.clamp(min=SMALLEST_DEPTH) if positive else guess


def _checked_truth(target: Tensor, limits: Range, *, positive: bool) -> tuple[Tensor, Tensor]:
    truth = target.double().reshape(len(target), -1)
    valid = truth.isfinite()
    if limits is not None:
        low, high = limits
        valid &= (truth >= low) & (truth <= high)
    if positive:
        valid &= truth > 0
    return torch.where(valid, truth, torch.ones_like(truth)), valid


def _depth_errors(prediction: Prediction) -> Tensor:
    """Sum over valid pixels the terms of every depth metric; columns as in `COLUMNS`."""
    guess, truth, valid = _checked(prediction, positive=True)
    error = (guess - truth).abs()
    relative, proportion = error / truth, guess / truth
    logs = proportion.log()
    # Not exp(|log ratio|), whose rounding would break the strict comparison at the threshold.
    worst = torch.where(valid, torch.maximum(proportion, truth / guess), torch.inf)
    pixels, log_sum, log_square = valid.sum(1).double(), logs.sum(1), logs.square().sum(1)
    # The scale-invariant error subtracts each sample's mean, so it is completed per sample.
    centred = log_square - log_sum.square() / pixels.clamp(min=1)
    return torch.stack(
        [
            pixels,
            relative.sum(1),
            (relative * error).sum(1),
            relative.square().sum(1),
            logs.abs().sum(1) / np.log(10),
            error.square().sum(1),
            log_square,
            centred.clamp(min=0),
            *((worst < 1.25**power).sum(1).double() for power in (1, 2, 3)),
        ],
        dim=1,
    )


COLUMNS = (
    "pixels", "abs_rel", "sqr_rel", "sqr_rel_normalised", "log10", "square", "log_square",
    "log_square_centred", "delta_1", "delta_2", "delta_3",
)  # fmt: skip
DEPTH_ERRORS = Statistic(
    "depth_errors", _depth_errors, valid=lambda rows: rows[..., 0], reads="values"
)


def _depth_metric(
    name: str, column: str, *, root: bool = False, higher_is_better: bool = False, unit: str = ""
) -> Metric:
    index = COLUMNS.index(column)

    def formula(sums: Array) -> Array:
        mean = ratio(sums[..., index], sums[..., 0])
        return np.sqrt(mean) if root else mean

    return Metric(name, DEPTH_ERRORS, formula, higher_is_better, unit)


DEPTH_METRICS = (
    _depth_metric("abs_rel", "abs_rel"),
    _depth_metric("sqr_rel", "sqr_rel", unit="{unit}"),
    _depth_metric("sqr_rel_normalised", "sqr_rel_normalised"),
    _depth_metric("log10", "log10"),
    _depth_metric("depth_rms", "square", root=True, unit="{unit}"),
    _depth_metric("rms_log", "log_square", root=True),
    _depth_metric("delta_1", "delta_1", higher_is_better=True),
    _depth_metric("delta_2", "delta_2", higher_is_better=True),
    _depth_metric("delta_3", "delta_3", higher_is_better=True),
    _depth_metric("si_log", "log_square_centred", root=True),
)


def _errors(prediction: Prediction) -> Tensor:
    """Sum over valid pixels: ones, squared error, absolute error."""
    guess, truth, valid = _checked(prediction)
    error = guess - truth
    return torch.stack([valid.sum(1).double(), error.square().sum(1), error.abs().sum(1)], dim=1)


def _square_errors(prediction: Prediction) -> Tensor:
    """Sum over valid pixels: ones, squared error."""
    return _errors(prediction).narrow(1, 0, 2)


def _peak_errors(prediction: Prediction) -> Tensor:
    """Sum over valid pixels: ones, squared error, squared peak (the width of the range)."""
    sums, peak = _errors(prediction), _squared_peak(prediction)
    pixels, square, _ = sums.unbind(1)
    return torch.stack([pixels, square, pixels * peak], dim=1)


def _picture_peaks(prediction: Prediction) -> Tensor:
    """Count 1, take the peak signal-to-noise ratio of each sample, and count perfect samples.

    The columns are ones, the ratio in dB (0 for a perfect sample, of which it is infinite), whether
    the sample is perfect, and the valid pixels.
    """
    sums, peak = _errors(prediction), _squared_peak(prediction)
    pixels, square, _ = sums.unbind(1)
    scored, perfect = pixels > 0, (pixels > 0) & (square == 0)
    mean = torch.where(square > 0, square, 1.0) / pixels.clamp(min=1)
    ratios = torch.where(square > 0, 10 * (peak / mean).log10(), 0.0)
    return torch.stack([scored.double(), ratios, perfect.double(), pixels], dim=1)


def _squared_peak(prediction: Prediction) -> float:
    if prediction.range is None:
        raise InfluenceError(without_range(prediction.output.name, "psnr"))
    low, high = prediction.range
    return (high - low) ** 2


def without_range(output: str, metric: str) -> str:
    """Say that a metric needs a range, and where to declare it."""
    return (
        f"output {output!r}: {metric} needs the least and the greatest valid value. Declare it by "
        f"Output({output!r}, range=(low, high)), such as (0, 255), or by the attribute 'range' of "
        f"targets/{output} in the evaluation file"
    )


ERRORS = Statistic("errors", _errors, valid=lambda rows: rows[..., 0], reads="values")


def _rms(sums: Array) -> Array:
    return np.sqrt(ratio(sums[..., 1], sums[..., 0]))


def _psnr(sums: Array) -> Array:
    # Infinite for a perfect prediction, NaN (0 / 0) without ground truth.
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(sums[..., 2] / sums[..., 1])


def _psnr_mean(sums: Array) -> Array:
    return np.where(sums[..., 2] > 0, np.inf, ratio(sums[..., 1], sums[..., 0]))


ERROR_METRICS = (
    Metric("mse", ERRORS, lambda s: ratio(s[..., 1], s[..., 0]), False, "{unit}^2"),
    Metric("mae", ERRORS, lambda s: ratio(s[..., 2], s[..., 0]), False, "{unit}"),
    Metric(
        "rms",
        # Rows of its own, by which a stored `rms` is told from that of a depth output.
        Statistic("square_errors", _square_errors, valid=lambda rows: rows[..., 0], reads="values"),
        _rms,
        False,
        "{unit}",
    ),
    Metric(
        "psnr",
        Statistic("peak_errors", _peak_errors, valid=lambda rows: rows[..., 0], reads="values"),
        _psnr,
        True,
        "dB",
        needs_range=True,
    ),
    Metric(
        "psnr_mean",
        Statistic("picture_peaks", _picture_peaks, valid=lambda rows: rows[..., 3], reads="values"),
        _psnr_mean,
        True,
        "dB",
        needs_range=True,
    ),
)

DEPTH_RMS = replace(next(m for m in DEPTH_METRICS if m.name == "depth_rms"), name="rms")
"""What `rms` means for an output of kind depth."""
