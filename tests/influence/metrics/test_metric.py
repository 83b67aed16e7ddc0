"""Directions of metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from influence.metrics.registry import METRICS


def test_oriented_gain_is_positive_where_the_score_gets_better() -> None:
    gain = np.array([0.5, -0.25])
    assert METRICS["mean_iou"].oriented(gain).tolist() == [0.5, -0.25]
    assert METRICS["rms"].oriented(gain).tolist() == [-0.5, 0.25]


@pytest.mark.parametrize("name", ["mean_iou", "rms"])
def test_no_gain_is_written_without_a_sign(name: str) -> None:
    assert math.copysign(1.0, METRICS[name].oriented(np.array(0.0))) == 1.0
