"""Intervals hold the truth about as often as they say: few simulations here, the study has many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.ground_truth.coverage import CASES, Case, cover
from influence.statistics import bootstrap

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
