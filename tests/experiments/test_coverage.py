"""The interval holds the true omega as often as it says, on 400 small data sets of each kind."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.coverage import CASES, SIZES, Case, coverage, simulate


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.metric)
def test_expected_rows_are_the_mean_of_simulated_ones(case: Case) -> None:
    full, muted = simulate(case, (1,) * 500, 200, np.random.default_rng(3))
    found = case.omega(full.sum((0, 1)), muted.sum((0, 1)))
    assert found == pytest.approx(float(case.omega(*case.expected)), abs=0.003)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.metric)
@pytest.mark.parametrize("name", ["100 samples", "100 groups of 1 to 6"])
def test_interval_holds_the_truth_in_93_to_97_per_cent(case: Case, name: str) -> None:
    assert 0.93 <= coverage(case, SIZES[name], 400, draws=500) <= 0.97
