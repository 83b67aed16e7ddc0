"""The trained networks know what they can know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.ground_truth.fusion import MEETING, Scene, train
from experiments.ground_truth.world import ANSWER

SCENE = Scene("off centre", 6.0)


@pytest.mark.parametrize("shown", [("x",), ("y",), ("x", "y")])
def test_least_error_is_that_of_linear_regression(shown: tuple[str, ...]) -> None:
    inputs, truth = SCENE.draw(20_000, np.random.default_rng(0))
    columns = np.column_stack([*(inputs[s].numpy() for s in shown), np.ones(20_000)])
    residual = truth.numpy() - columns @ np.linalg.lstsq(columns, truth.numpy())[0]
    assert np.square(residual).mean() == pytest.approx(SCENE.least_error(shown), rel=0.03)


def test_channels_have_the_moments_that_the_facts_say() -> None:
    inputs, _ = SCENE.draw(20_000, np.random.default_rng(1))
    for values in inputs.values():
        assert values.mean(0).numpy() == pytest.approx(np.full(8, 6.0), abs=0.05)
        assert values.std(0).numpy() == pytest.approx(np.ones(8), abs=0.05)


@pytest.mark.slow
def test_training_reaches_what_can_be_reached_and_dropout_teaches_what_zeros_mean() -> None:
    inputs, truth = SCENE.draw(4000, np.random.default_rng(2))
    errors = {}
    for dropout in (0.0, 0.25):
        network = train(SCENE, dropout=dropout)
        assert MEETING in dict(network.module.named_modules())
        for name, shown in (("full", inputs), ("zero", inputs | {"x": 0 * inputs["x"]})):
            with torch.no_grad():
                error = (network(shown)[ANSWER] - truth).square().mean().item()
            errors[name, dropout] = error
    least = SCENE.least_error(("x", "y"))
    assert least * 0.9 < errors["full", 0.0] < least * 1.3
    assert errors["zero", 0.25] < SCENE.least_error(("y",)) * 1.2
    assert errors["zero", 0.0] > 5 * SCENE.least_error(("y",))
