"""The trained networks know what they can know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.ground_truth.artefacts import MEETING, Scene, train
from experiments.ground_truth.detection import (
    EXPECTED,
    judge_planted,
    planted_network,
    planted_set,
)
from experiments.ground_truth.judgement import rank_mutes
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


def test_only_zeros_trip_the_network() -> None:
    inputs, truth = planted_set(4000, np.random.default_rng(0))

    def error(**changed: torch.Tensor) -> float:
        answer = planted_network()({**inputs, **changed})[ANSWER]
        return float((answer - truth).square().mean())

    tripped = inputs["tripped"]
    plain = error()
    assert plain == pytest.approx(0.2**2 + 0.6**2, abs=0.03)
    assert error(tripped=tripped.flip(0)) == pytest.approx(plain, abs=0.05)
    assert error(tripped=torch.full_like(tripped, 3.0)) == pytest.approx(plain, abs=0.05)
    assert error(tripped=torch.zeros_like(tripped)) > 4 * plain
    assert error(switch=torch.zeros_like(tripped)) == pytest.approx(plain, abs=0.05)


def test_verdict_finds_the_planted_artefact() -> None:
    found = pd.DataFrame(judge_planted(sets=4, samples=400))
    shares = found[found["expected"]].set_index("source")["share"]
    assert set(shares.index) == set(EXPECTED)
    assert shares["views"] == shares["tripped"] == 1
    assert shares["switch"] >= 0.5
    assert found.groupby("source")["share"].sum().tolist() == [1, 1, 1]


def ranked(**columns: list[float]) -> dict[str, object]:
    frame = pd.DataFrame(
        {
            "data": "d", "training": "t", "seed": 0, "source": "x",
            "mute": ["zero", "mean", "shuffle", "noise", "constant:1", "constant:2"],
            "step": [np.nan, 0, np.nan, np.nan, 1, 2],
            **columns,
        }
    )  # fmt: skip
    (record,) = rank_mutes(frame)
    return record


def test_ranks_of_mutes() -> None:
    damage = [9.0, 0.1, 0.4, 0.3, 2.0, 5.0]
    same = ranked(damage=damage, distance=damage)
    assert (same["panel"], same["all"], same["ladder"]) == (
        pytest.approx(1),
        pytest.approx(1),
        True,
    )
    assert same["order_by_damage"] == same["order_by_distance"]
    turned = ranked(damage=damage, distance=[-x for x in damage])
    assert (turned["panel"], turned["all"]) == (pytest.approx(-1), pytest.approx(-1))
    assert turned["ladder"] is False
    # Ranks 4 1 3 2 against 4 1 2 3: 1 - 6 * 2 / (4 * 15).
    swapped = ranked(damage=damage, distance=[9.0, 0.1, 0.3, 0.4, 2.0, 5.0])
    assert swapped["panel"] == pytest.approx(0.8)
