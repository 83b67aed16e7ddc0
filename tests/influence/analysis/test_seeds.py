"""Seeds: variance components against a random-effects model whose components are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from influence.analysis.estimates import Estimates, estimate_runs, estimate_table
from influence.analysis.seeds import SEEDS_COLUMNS, aggregate_seeds
from influence.errors import InfluenceError
from influence.results.run_directory import Run
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows
from tests.runs_of_rows import Array, error_rows, run_of

N, SEEDS, MU = 60, 5, 0.4
TRAINING, SHARED, OWN = 0.2, 1.5, 1.0  # standard deviations; the last two of one sample


def simulated(
    numbers: np.random.Generator, seeds: int = SEEDS, training: float = TRAINING
) -> Array:
    """Draw omega of every seed on every sample, (seeds, N)."""
    return np.asarray(
        MU
        + training * numbers.normal(size=(seeds, 1))
        + SHARED * numbers.normal(size=N)
        + OWN * numbers.normal(size=(seeds, N))
    )


def rows_of(gains: Array) -> dict[str, Rows]:
    full = np.full(N, 20.0)
    return {
        f"net-seed{k}": error_rows(full, {("zero", "x"): full + own}) for k, own in enumerate(gains)
    }


def run(gains: Array, draws: int = 500) -> Run:
    rows = rows_of(gains)
    seeds = {key: ("net", k) for k, key in enumerate(rows)}
    return run_of(rows, seeds=seeds, resampling=Resampling(draws))


def estimates(gains: Array, numbers: np.random.Generator) -> Estimates:
    """Make the estimates of gains in closed form: draws from a normal of their covariance."""
    covariance = np.atleast_2d(np.cov(gains)) / N
    drawn = numbers.multivariate_normal(gains.mean(1), covariance * (N - 1) / N, size=400)
    cells = pd.DataFrame(
        {
            "network": "net", "seed": range(len(gains)), "dataset": "d", "mute": "zero",
            "source": "x", "target": "y", "metric": "mse", "level": "all",
            "higher_is_better": False, "unit": "", "omega": gains.mean(1),
            "standard_error": np.sqrt(np.diag(covariance)), "confidence": 0.95, "n": N, "units": N,
            "basis": "rows",
        }
    )  # fmt: skip
    return Estimates(cells, drawn)


def test_means_and_deviations_are_those_of_the_seeds() -> None:
    gains = simulated(np.random.default_rng(0))
    found = aggregate_seeds(estimate_runs([run(gains, draws=20000)]))
    assert tuple(found.columns) == SEEDS_COLUMNS
    assert len(found) == 1
    row = found.iloc[0]
    means = gains.mean(1)
    assert row["omega"] == pytest.approx(means.mean())
    assert row["seed_sd"] == pytest.approx(means.std(ddof=1))
    # The variance of the mean is that of the samples' means over the seeds.
    assert row["test_variance"] == pytest.approx(gains.mean(0).var(ddof=1) / N, rel=0.05)
    covariance = np.cov(gains) / N
    shared = covariance[~np.eye(SEEDS, dtype=bool)].mean()
    own = np.diag(covariance).mean() - shared
    assert row["training_variance"] == pytest.approx(means.var(ddof=1) - own, abs=0.05 * own)
    assert row["standard_error"] ** 2 == pytest.approx(
        max(row["training_variance"], 0) / SEEDS + row["test_variance"]
    )
    assert (row["seeds"], row["n"], row["basis"]) == (SEEDS, N, "rows")


def test_components_are_unbiased_and_the_interval_covers() -> None:
    numbers, times = np.random.default_rng(1), 800
    found = pd.concat(
        [aggregate_seeds(estimates(simulated(numbers), numbers)) for _ in range(times)]
    )
    truth = {
        "omega": MU,
        "training_variance": TRAINING**2,
        "test_variance": (SHARED**2 + OWN**2 / SEEDS) / N,
    }
    for column, value in truth.items():
        error = found[column].std() / np.sqrt(times)
        assert found[column].mean() == pytest.approx(value, abs=3.5 * error), column
    covered = ((found["low"] <= MU) & (found["high"] >= MU)).mean()
    assert covered == pytest.approx(0.95, abs=0.023)  # three standard errors


def test_training_that_makes_no_difference_is_zero_on_average() -> None:
    numbers = np.random.default_rng(2)
    found = pd.concat(
        [aggregate_seeds(estimates(simulated(numbers, training=0.0), numbers)) for _ in range(400)]
    )
    error = found["training_variance"].std() / np.sqrt(len(found))
    assert found["training_variance"].mean() == pytest.approx(0, abs=3.5 * error)
    assert (found["training_variance"] < 0).any()
    covered = ((found["low"] <= MU) & (found["high"] >= MU)).mean()
    assert 0.94 <= covered <= 0.99


def test_one_seed_shows_nothing_of_training() -> None:
    gains = simulated(np.random.default_rng(3), seeds=1)
    row = aggregate_seeds(estimate_runs([run(gains)])).iloc[0]
    assert row["seeds"] == 1
    assert row["test_variance"] > 0
    missing = ["seed_sd", "training_variance", "standard_error", "low", "high"]
    assert row[missing].isna().all()


def test_from_a_table_alone_the_deviation_is_put_down_to_training() -> None:
    gains = simulated(np.random.default_rng(4))
    table = run(gains, draws=20000).influence
    row = aggregate_seeds(estimate_table(table[table["metric"] == "mse"])).iloc[0]
    errors = gains.std(axis=1, ddof=1) / np.sqrt(N)
    assert row["basis"] == "intervals"
    assert row["test_variance"] == pytest.approx(errors.mean() ** 2, rel=0.1)
    assert row["training_variance"] == pytest.approx(gains.mean(1).var(ddof=1), rel=0.1)


def test_seeds_of_several_runs_share_their_samples() -> None:
    gains = simulated(np.random.default_rng(5))
    together = aggregate_seeds(estimate_runs([run(gains)]))
    rows = list(rows_of(gains).values())
    apart = [
        run_of({"net": found}, seeds={"net": ("net", k)}, resampling=Resampling(500))
        for k, found in enumerate(rows)
    ]
    pd.testing.assert_frame_equal(aggregate_seeds(estimate_runs(apart)), together)
    with pytest.raises(InfluenceError, match="two results for network 'net' with seed 0"):
        aggregate_seeds(estimate_runs([apart[0], apart[0]]))
    other = error_rows(np.ones(5), {("zero", "x"): np.ones(5)})
    with pytest.raises(InfluenceError, match="5 ids match, of 60 samples"):
        estimate_runs([apart[0], run_of({"net": other}, seeds={"net": ("net", 9)})])


def test_a_value_that_is_not_defined_is_left_out() -> None:
    numbers = np.random.default_rng(6)
    found = estimates(simulated(numbers), numbers)
    assert found.drawn is not None
    cells, drawn = found.cells.copy(), found.drawn.copy()
    cells.loc[0, ["omega", "standard_error"]] = np.nan
    drawn[:, 0] = np.nan
    row = aggregate_seeds(Estimates(cells, drawn)).iloc[0]
    assert row["seeds"] == SEEDS - 1
    assert row["omega"] == pytest.approx(cells["omega"].mean())
    assert np.isfinite(row["standard_error"])


def test_the_interval_is_that_of_students_distribution_where_training_is_all() -> None:
    means = np.array([1.0, 2.0, 4.0])
    cells = estimates(simulated(np.random.default_rng(7), seeds=3), np.random.default_rng(7)).cells
    exact = cells.assign(omega=means, standard_error=1e-9, basis="intervals")
    row = aggregate_seeds(Estimates(exact)).iloc[0]
    low, high = stats.ttest_1samp(means, 0).confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((low, high))
