"""Power: the formula against the power of a z test, and against simulated measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from influence.analysis.estimates import estimate_runs
from influence.analysis.power import POWER_COLUMNS, detectable_omega, needed_samples, plan_samples
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from influence.results.run_directory import Run
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows
from tests.runs_of_rows import accuracy_rows, error_rows, run_of

Numbers = np.random.Generator


def chance(omega: float, error: float, alpha: float) -> float:
    """Return the probability that a two-sided z test detects omega, on either side."""
    reach = stats.norm.isf(alpha / 2)
    return float(stats.norm.sf(reach - omega / error) + stats.norm.cdf(-reach - omega / error))


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9), (0.1, 0.7)])
def test_the_smallest_omega_is_where_the_test_has_the_power(alpha: float, power: float) -> None:
    exact = optimize.brentq(lambda w: chance(w, 0.03, alpha) - power, 1e-6, 1.0)
    found = detectable_omega(0.03, 50, alpha=alpha, power=power)
    assert found == pytest.approx(exact, rel=0.005)  # the wrong side is left out
    planned = detectable_omega(0.06, 50, planned=200, alpha=alpha, power=power)
    assert planned == pytest.approx(float(found))
    assert needed_samples(0.03, 50, found, alpha=alpha, power=power) == pytest.approx(50, abs=1)
    assert needed_samples(0.03, 50, -found / 2, alpha=alpha, power=power) == pytest.approx(
        200, abs=1
    )


def test_zero_needs_infinitely_many() -> None:
    assert needed_samples(0.1, 10, 0.0) == np.inf


@pytest.mark.parametrize(
    ("alpha", "power"), [(0, 0.8), (1, 0.8), (0.05, 0), (0.05, 1), (0.05, 0.02), (np.nan, 0.8)]
)
def test_what_is_no_probability_is_refused(alpha: float, power: float) -> None:
    with pytest.raises(InfluenceError, match="expected alpha from"):
        detectable_omega(0.1, 10, alpha=alpha, power=power)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"planned": 10**20}, "expected planned from 2"),
        ({"omega": 0.0}, "expected omega, a finite number other than 0, got 0.0"),
        ({"omega": np.inf}, "got inf"),
        ({"omega": np.nan}, "got nan"),
        ({"alpha": 5e-324}, "expected alpha from 1e-12"),
    ],
)
def test_what_no_measurement_can_have_is_refused(asked: dict[str, Any], message: str) -> None:
    rows = squares(0.5, 20, np.random.default_rng(0))
    run = run_of({"net": rows}, ["mse"])
    with pytest.raises(InfluenceError, match=message):
        plan_samples(estimate_runs([run]), **asked)


def squares(omega: float, count: int, numbers: Numbers) -> Rows:
    full = numbers.exponential(size=count)
    return error_rows(full, {("zero", "x"): full + omega + numbers.normal(size=count)})


def labels(omega: float, count: int, numbers: Numbers) -> Rows:
    """Draw samples of which three in ten change, to the worse by omega more than to the better."""
    what = numbers.choice(4, size=count, p=[0.15 + omega / 2, 0.15 - omega / 2, 0.6, 0.1])
    full = np.array([1.0, 0.0, 1.0, 0.0])[what]
    return accuracy_rows(full, {("zero", "x"): np.array([0.0, 1.0, 1.0, 0.0])[what]})


@pytest.mark.parametrize(
    ("metric", "draw", "planned"), [("mse", squares, 100), ("accuracy", labels, 654)]
)
def test_the_stated_omega_is_found_as_often_as_stated(
    metric: str, draw: Callable[[float, int, Numbers], Rows], planned: int
) -> None:
    numbers, times, draws = np.random.default_rng(0), 500, Resampling(draws=2000)
    first = run_of({"net": draw(0.1, 5000, numbers)}, [metric])
    omega = plan_samples(estimate_runs([first]), planned=planned).iloc[0]["detectable"]
    sets = [draw(omega, planned, numbers) for _ in range(times)]
    values = {
        k._replace(output=f"{i}"): v for i, one in enumerate(sets) for k, v in one.values.items()
    }
    sums = draws.sums(replace(sets[0], values=values))  # all sets at once, in the same draws
    formula, better = METRICS[metric].formula, 1 if metric == "accuracy" else -1
    by_interval, by_test = [], []
    for key in sums.exchanged:
        observed, drawn, flipped = (
            better * (formula(full) - formula(muted))
            for full, muted in (sums.observed(key), sums.resampled(key), sums.swapped(key))
        )
        low, _ = draws.interval(drawn, planned)
        by_interval.append(low > 0)
        by_test.append(draws.p_value(observed, flipped, planned) <= 0.05)
    assert np.mean(by_interval) == pytest.approx(0.8, abs=0.05)
    assert np.mean(by_test) == pytest.approx(0.78, abs=0.06)  # moves in steps under accuracy


def grouped(groups: int) -> Run:
    """Return a run of samples that are the same in a group."""
    numbers = np.random.default_rng(1)
    full, gain = np.ones(groups), numbers.normal(1, 1, groups)
    rows = error_rows(
        np.repeat(full, 3), {("zero", "x"): np.repeat(full + gain, 3)},
        np.repeat(np.arange(groups), 3).tolist(),
    )  # fmt: skip
    return run_of({"net": rows}, resampling=Resampling(5000))


def test_samples_are_planned_and_groups_are_what_counts() -> None:
    found = plan_samples(estimate_runs([grouped(80)]), omega=0.5).iloc[0]
    assert tuple(found.index) == POWER_COLUMNS
    assert (found["n"], found["units"], found["planned"]) == (240, 80, 240)
    gain = np.random.default_rng(1).normal(1, 1, 80)
    exact = 2.8016 * gain.std(ddof=1)
    assert found["detectable"] == pytest.approx(exact / np.sqrt(80), rel=0.05)
    assert found["needed"] == pytest.approx(3 * (exact / 0.5) ** 2, rel=0.1)
    twice = plan_samples(estimate_runs([grouped(80)]), planned=480).iloc[0]
    assert twice["detectable"] == pytest.approx(found["detectable"] / np.sqrt(2))
    assert plan_samples(estimate_runs([grouped(80)])).iloc[0]["wished"] == pytest.approx(
        gain.mean()
    )


def test_pairs_of_a_shuffle_do_not_halve_the_samples_that_are_needed() -> None:
    rows = squares(0.3, 400, np.random.default_rng(3))
    paired = replace(rows, units=np.arange(400) // 2)
    alone, together = (
        plan_samples(estimate_runs([run_of({"net": own}, ["mse"])]), planned=1000).iloc[0]
        for own in (rows, paired)
    )
    assert (alone["units"], together["units"]) == (400, 200)
    for column in ("detectable", "needed"):
        assert together[column] == pytest.approx(alone[column], rel=0.2)


def test_a_plan_of_one_sample_is_refused() -> None:
    with pytest.raises(InfluenceError, match="expected planned from 2"):
        plan_samples(estimate_runs([grouped(5)]), planned=1)
