"""What is stored of predictions and truth."""

from __future__ import annotations

import numpy as np

from experiments.training.evaluation_data import quantise


def test_values_are_rounded_to_steps_within_the_range() -> None:
    assert quantise(np.array([0.0, 0.5, 1.2]), 1 / 255).tolist() == [0, 128, 255]
