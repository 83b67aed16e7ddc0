"""The interval holds the true omega as often as it says, on simulated data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.coverage import CASES, SIZES, Case, coverage, simulate

STUDY = Path(__file__).parents[2] / "reports" / "coverage" / "coverage.csv"

# 400 sets would leave a standard error of 1.2 %, and chance alone would leave 93 to 97 % often;
# with 2000 it is 0.5 %.
SIMS = 2000


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.metric)
def test_expected_rows_are_the_mean_of_simulated_ones(case: Case) -> None:
    full, muted = simulate(case, (1,) * 500, 200, np.random.default_rng(3))
    found = case.omega(full.sum((0, 1)), muted.sum((0, 1)))
    assert found == pytest.approx(float(case.omega(*case.expected)), abs=0.003)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.metric)
@pytest.mark.parametrize("name", ["100 samples", "100 groups of 1 to 6"])
def test_interval_holds_the_truth_in_93_to_97_per_cent(case: Case, name: str) -> None:
    assert 0.93 <= coverage(case, SIZES[name], SIMS) <= 0.97


def test_study_covers_every_case_and_lies_in_the_band() -> None:
    study = pd.read_csv(STUDY)
    assert set(zip(study["metric"], study["data"], strict=True)) == {
        (case.metric, name) for case in CASES for name in SIZES
    }
    assert study["coverage"].between(0.93, 0.97).all()
    assert (study["sims"] >= 400).all()
