"""Standard errors and covariances of omegas, against closed forms and each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence.analysis.estimates import Estimates, estimate_runs, estimate_table, read_estimates
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.statistics.bootstrap import Resampling
from tests.runs_of_rows import error_rows, run_of
from tests.toy import Toy, joint, write_toy_file

N = 50
NUMBERS = np.random.default_rng(0)
FULL = NUMBERS.exponential(size=N)
GAINS = {("zero", s): NUMBERS.normal(1, 1, N) for s in "xz"}
RUN = run_of(
    {"net": error_rows(FULL, {name: FULL + gain for name, gain in GAINS.items()})},
    resampling=Resampling(20000),
)


def test_errors_and_covariances_are_those_of_means() -> None:
    found = estimate_runs([RUN])
    cells = found.cells
    gains = np.array([GAINS["zero", source] for source in cells["source"]])
    assert cells["omega"].to_numpy() == pytest.approx(gains.mean(1))
    assert cells["standard_error"].to_numpy() == pytest.approx(
        gains.std(1, ddof=1) / np.sqrt(N), rel=0.03
    )
    expected = np.cov(gains) / N
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert found.covariance([0, 1]) / scale == pytest.approx(expected / scale, abs=0.05)
    assert np.sqrt(found.covariance([1])) == pytest.approx(cells["standard_error"][1])
    assert set(cells["basis"]) == {"rows"}
    assert (set(cells["n"]), set(cells["units"])) == ({N}, {N})


def test_a_table_alone_gives_nearly_the_same_errors() -> None:
    rows, table = estimate_runs([RUN]).cells, estimate_table(RUN.influence).cells
    assert list(table["omega"]) == pytest.approx(list(rows["omega"]))
    assert list(table["standard_error"]) == pytest.approx(list(rows["standard_error"]), rel=0.05)
    errors = table["standard_error"].to_numpy()
    assert estimate_table(RUN.influence).covariance([0, 1]) == pytest.approx(
        np.outer(errors, errors)
    )


def test_one_group_shows_nothing() -> None:
    rows = error_rows(FULL, {("zero", "x"): 2 * FULL}, groups=[0] * N)
    found = estimate_runs([run_of({"net": rows})])
    assert found.cells["standard_error"].isna().all()
    assert np.isnan(found.covariance([0])).all()


def test_draws_that_are_not_defined_are_left_out() -> None:
    cells = estimate_runs([RUN]).cells
    drawn = np.array([[1.0, 1.0], [np.nan, 5.0], [3.0, 2.0], [5.0, 6.0]])
    expected = np.cov(drawn[[0, 2, 3]], rowvar=False) * N / (N - 1)
    assert Estimates(cells, drawn).covariance([0, 1]) == pytest.approx(expected)


def test_an_omega_that_is_infinite_in_a_draw_has_no_variance() -> None:
    cells = estimate_runs([RUN]).cells
    drawn = np.array([[1.0, 1.0], [3.0, 2.0], [5.0, np.inf], [5.0, 6.0]])
    found = Estimates(cells, drawn).covariance([0, 1])
    assert found[0, 0] == pytest.approx(drawn[:, 0].var(ddof=1) * N / (N - 1))
    assert np.isnan([found[0, 1], found[1, 0], found[1, 1]]).all()


def test_directories_are_read_with_their_rows_or_without(tmp_path: Path) -> None:
    data = write_toy_file(tmp_path / "toy.h5", 9)
    for name, seed in (("a", 0), ("b", 1)):
        run = measure(joint(Toy(seed), seed=seed), data, mutes=["mean", "zero"], draws=300)
        run.write(tmp_path / name)
    both = [tmp_path / "a", tmp_path / "b"]
    found = read_estimates(both)
    assert found.drawn is not None
    assert found.drawn.shape == (300, len(found.cells))
    table = read_estimates(both[:1]).cells
    assert list(table["mute"].unique()) == ["mean", "zero"]  # in the order of the table
    only = read_estimates(both, ["rms", "mean_iou"]).cells
    assert set(only["metric"]) == {"rms", "mean_iou"}
    (tmp_path / "b" / "rows.h5").unlink()
    alone = read_estimates(both)
    assert alone.drawn is None
    assert set(alone.cells["basis"]) == {"intervals"}
    keys = ["seed", "mute", "source", "target", "metric", "level"]
    joined = found.cells.merge(alone.cells, on=keys, validate="one_to_one")
    assert len(joined) == len(found.cells) == len(alone.cells)
    pd.testing.assert_series_equal(joined["omega_x"], joined["omega_y"], check_names=False)
    assert set(read_estimates(both, ["mine:rms"]).cells["metric"]) == {"rms"}
    with pytest.raises(InfluenceError, match="unknown metric 'rmss'"):
        read_estimates(both, ["rmss"])
    with pytest.raises(InfluenceError, match=r"nowhere.influence\.csv"):
        read_estimates([tmp_path / "nowhere"])
