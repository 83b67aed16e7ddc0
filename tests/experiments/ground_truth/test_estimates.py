"""Bias and coverage, beside what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.ground_truth.estimates import CASES, MUTES, Case, cover, find_bias
from experiments.ground_truth.worlds import WORLDS
from influence.statistics import bootstrap


@pytest.mark.parametrize("name", ["synergistic", "three labels"])
def test_bias_is_within_chance(name: str) -> None:
    found = pd.DataFrame(find_bias(WORLDS[name], sets=30, samples=60))
    players = len(WORLDS[name].sites)
    quantities = 3 * players + players * (players - 1) // 2
    assert len(found) == len(MUTES) * len(WORLDS[name].metrics) * quantities
    assert found["z"].abs().max() < 5.5
    assert found["z"].std() > 0.3  # what is simulated does vary
    still = found[found["spread"] == 0]
    assert (still["bias"].abs() < 1e-6).all()


SETS = 200

LEAST = stats.binom.ppf(1e-4, SETS, 0.95) / SETS

"""An interval of 95% holds the truth less often than this once in ten thousand times."""


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.world != "lens"], ids=lambda c: f"{c.metric}, {c.mute}"
)
@pytest.mark.parametrize("layout", ["100 samples", "100 samples in groups of 1 to 5"])
def test_intervals_hold_the_truth(case: Case, layout: str) -> None:
    found = list(cover(case, layout, sets=SETS, draws=400))
    kinds = {record["kind"] for record in found}
    assert kinds == {"leave_one_out", "add_one_in", "shapley", "interaction"}
    for record in found:
        assert LEAST <= record["coverage"] < 1, record


def test_intervals_that_are_too_narrow_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_expanded", lambda confidence, count: (0.1, 0.9))
    found = list(cover(CASES[0], "100 samples", sets=SETS, draws=400))
    assert np.mean([record["coverage"] for record in found]) < LEAST
