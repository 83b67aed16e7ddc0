"""Differences between networks, against second derivations, and what cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from influence.analysis.comparison import COMPARISON_COLUMNS, compare, data_notes, draw_pair
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS, of_kind
from influence.results.run_directory import Run
from influence.statistics.bootstrap import Resampling, holm
from influence.statistics.rows import Rows
from tests.runs_of_rows import Array, accuracy_rows, depth_rows, error_rows, run_of

N = 60
NUMBERS = np.random.default_rng(1)
SAMPLE = NUMBERS.uniform(1, 3, N)  # how hard each sample is, for both networks


def squares(scale: float, spread: float = 0.3) -> Array:
    """Draw the squared errors of a network."""
    return scale * SAMPLE * NUMBERS.uniform(1 - spread, 1 + spread, N)


A = {"full": squares(1.0), "x": squares(1.6), "z": squares(1.1)}
B = {"full": squares(1.1), "x": squares(1.3), "z": squares(1.2)}


def run(name: str, errors: dict[str, Array], **options: Any) -> Run:
    muted = {(mute, s): errors[s] + (mute == "mean") for mute in ("zero", "mean") for s in "xz"}
    return run_of({name: error_rows(errors["full"], muted)}, ("mse", "mae"), **options)


def rows_of(errors: dict[str, Array]) -> Rows:
    return error_rows(errors["full"], {("zero", "x"): errors["x"]})


RUN_A, RUN_B = run("a", A), run("b", B)


def row(frame: pd.DataFrame, **wanted: Any) -> pd.Series:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_differences_are_those_of_the_two_tables() -> None:
    found = compare(RUN_A, RUN_B)
    assert tuple(found.columns) == COMPARISON_COLUMNS
    keys = ["mute", "source", "target", "metric", "level"]
    tables = RUN_A.influence.merge(RUN_B.influence, on=keys)
    omegas = found[found["quantity"] == "omega"].merge(tables, on=keys, validate="one_to_one")
    assert len(omegas) == 8
    assert omegas["a"].to_numpy() == pytest.approx(omegas["omega_x"])
    assert omegas["b"].to_numpy() == pytest.approx(omegas["omega_y"])
    assert omegas["difference"].to_numpy() == pytest.approx(omegas["omega_x"] - omegas["omega_y"])
    assert set(omegas["unit_x"]) == {"m", "m^2"}
    best = row(found, quantity="performance", metric="mse")
    assert (best["a"], best["b"]) == pytest.approx((A["full"].mean(), B["full"].mean()))
    assert best["difference"] == pytest.approx(B["full"].mean() - A["full"].mean())  # lower wins


@pytest.mark.parametrize(
    ("wanted", "gain"),
    [
        ({"quantity": "performance"}, B["full"] - A["full"]),
        ({"source": "x", "mute": "zero"}, (A["x"] - A["full"]) - (B["x"] - B["full"])),
        ({"source": "z", "mute": "mean"}, (A["z"] - A["full"]) - (B["z"] - B["full"])),
    ],
)
def test_intervals_and_tests_are_those_of_the_paired_differences(
    wanted: dict[str, Any], gain: Array
) -> None:
    draws = Resampling(draws=20000)
    found = row(compare(RUN_A, RUN_B, metrics=["mse"], resampling=draws), **wanted)
    interval = stats.ttest_1samp(gain, 0).confidence_interval()
    width = gain.std(ddof=1) / np.sqrt(N)
    assert found["difference"] == pytest.approx(gain.mean())
    assert (found["low"], found["high"]) == pytest.approx(tuple(interval), abs=0.15 * width)
    exact = stats.permutation_test(
        (gain,), np.mean, permutation_type="samples", n_resamples=20000, rng=0
    )
    assert found["p_value"] == pytest.approx(exact.pvalue, abs=0.015)


def test_p_values_are_adjusted_over_a_quantity_and_a_mute() -> None:
    found = compare(RUN_A, RUN_B)
    for _, family in found.groupby(["quantity", "mute"]):
        assert list(family["p_holm"]) == holm(family["p_value"].tolist())
    assert found.groupby("quantity")["mute"].unique().map(list).to_dict() == {
        "omega": ["zero", "mean"],
        "performance": ["none"],
    }


def test_a_run_does_not_differ_from_itself() -> None:
    found = compare(RUN_A, RUN_A)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert (found["p_value"] == 1).all()


def test_another_order_of_samples_changes_nothing() -> None:
    rows = RUN_B.rows["b"]
    order = NUMBERS.permutation(N)
    turned = replace(
        rows,
        ids=[rows.ids[i] for i in order],
        values={key: values[order] for key, values in rows.values.items()},
    )
    found = compare(RUN_A, replace(RUN_B, rows={"b": turned}))
    pd.testing.assert_frame_equal(found, compare(RUN_A, RUN_B))


def test_swapping_the_sides_turns_the_sign() -> None:
    one, other = compare(RUN_A, RUN_B), compare(RUN_B, RUN_A)
    assert one["difference"].to_numpy() == pytest.approx(-other["difference"].to_numpy())
    assert one["low"].to_numpy() == pytest.approx(-other["high"].to_numpy())
    assert one["p_value"].to_numpy() == pytest.approx(other["p_value"].to_numpy(), abs=0.05)


def test_groups_are_drawn_as_a_whole() -> None:
    groups = np.repeat(np.arange(N), 2).tolist()
    doubled = {
        name: error_rows(np.repeat(e["full"], 2), {("zero", "x"): np.repeat(e["x"], 2)}, groups)
        for name, e in (("a", A), ("b", B))
    }
    plain = {"a": rows_of(A), "b": rows_of(B)}
    found, expected = (compare(run_of(rows), pairs=[("a", "b")]) for rows in (doubled, plain))
    columns = ["difference", "low", "high", "p_value"]
    assert found[columns].to_numpy() == pytest.approx(expected[columns].to_numpy())


def test_networks_are_paired_by_name_or_as_given() -> None:
    both = run_of({"a": rows_of(A), "b": rows_of(B)})
    names = compare(both, both)[["network_a", "network_b"]].drop_duplicates().to_numpy().tolist()
    assert names == [["a", "a"], ["b", "b"]]
    given = compare(both, pairs=[("a", "b")])
    assert given[["network_a", "network_b"]].drop_duplicates().to_numpy().tolist() == [["a", "b"]]
    crossed = compare(both, RUN_B, pairs=[("a", "b")], metrics=["mse"])
    assert len(crossed) == 2
    with pytest.raises(InfluenceError, match="pairs of the networks of one: a, b"):
        compare(both)
    with pytest.raises(InfluenceError, match="unknown network 'c'"):
        compare(both, RUN_B, pairs=[("a", "c")])
    other = run_of({k: both.rows[n] for k, n in (("c", "a"), ("d", "b"))})
    with pytest.raises(InfluenceError, match="got a, b in the first and c, d in the second"):
        compare(both, other)


def test_seeds_of_one_network_can_be_compared() -> None:
    names = {"a-seed0": ("a", 0), "a-seed1": ("a", 1)}
    rows = {"a-seed0": rows_of(A), "a-seed1": rows_of(B)}
    found = compare(run_of(rows, seeds=names), pairs=[("a-seed0", "a-seed1")])
    assert found[["seed_a", "seed_b"]].drop_duplicates().to_numpy().tolist() == [[0, 1]]


def test_what_cannot_be_compared_is_said() -> None:
    strange = replace(RUN_B.rows["b"], ids=[f"t{i}" for i in range(N)])
    with pytest.raises(InfluenceError, match="0 ids match"):
        compare(RUN_A, replace(RUN_B, rows={"b": strange}))
    with pytest.raises(InfluenceError, match="a streamed run keeps none"):
        compare(RUN_A, replace(RUN_B, rows={}))
    right = (SAMPLE > 2).astype(float)
    other = run_of({"b": accuracy_rows(right, {("zero", "x"): 1 - right})}, ["accuracy"])
    with pytest.raises(InfluenceError, match="of an output under a mute in common, got none"):
        compare(RUN_A, other)


def test_a_metric_of_ones_own_has_to_be_given() -> None:
    own = replace(METRICS["mse"], name="mine")
    facts = [dict(RUN_A.info["measured"]["networks"][0], metrics={"y": ["mine"]})]
    info = {**RUN_A.info, "measured": {**RUN_A.info["measured"], "networks": facts}}
    tables = {
        name: getattr(RUN_A, name).replace({"metric": {"mse": "mine"}})
        for name in ("influence", "performance")
    }
    mine = replace(RUN_A, info=info, **tables)
    with pytest.raises(InfluenceError, match=r"Give metrics=\['module:mine'\]"):
        compare(mine, mine)
    assert set(compare(mine, mine, metrics=[own])["metric"]) == {"mine"}
    wrong = replace(METRICS["mae"], name="mine")
    with pytest.raises(InfluenceError, match="or give the metric that was measured"):
        compare(mine, mine, metrics=[wrong])


def test_other_data_under_the_same_ids_is_noted() -> None:
    def hashed(sha: str) -> Run:
        data = {"name": "d", "sha256": sha, "n": N}
        return replace(RUN_A, info={"measured": {**RUN_A.info["measured"], "data": data}})

    assert data_notes(hashed("1"), hashed("1")) == data_notes(hashed(""), hashed("1")) == []
    assert "matched by their ids" in data_notes(hashed("1"), hashed("2"))[0]


PAIR_FULL, PAIR_MUTED = np.random.default_rng(0).uniform(1, 2, (2, 12))
ROWS = error_rows(
    PAIR_FULL, {("zero", "x"): PAIR_MUTED}, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
)


def test_rows_of_other_lengths_are_refused() -> None:
    short = replace(ROWS, values={key: v[:, :2] for key, v in ROWS.values.items()})
    with pytest.raises(InfluenceError, match="rows of 3 numbers and the second of 2"):
        draw_pair(ROWS, short, Resampling(draws=10))


def test_swaps_exchange_whole_groups_and_all_conditions_at_once() -> None:
    other = error_rows(2 * PAIR_FULL, {("zero", "x"): 3 * PAIR_MUTED}, groups=ROWS.groups.tolist())
    pair = draw_pair(ROWS, other, Resampling(draws=300))
    _, _, (first, second) = pair.sides()
    full, muted = ROWS.values
    by_group = np.add.reduceat(ROWS.values[full], [0, 3, 6, 9])
    by_group_muted = np.add.reduceat(ROWS.values[muted], [0, 3, 6, 9])
    seen = set()
    for a, b, m in zip(first[full], second[full], first[muted], strict=True):
        flips = [
            f
            for f in np.ndindex(2, 2, 2, 2)
            if np.isclose(a[1], (by_group[:, 1] * (1 + np.array(f))).sum())
        ]
        assert len(flips) == 1
        assert m[1] == pytest.approx((by_group_muted[:, 1] * (1 + 2 * np.array(flips[0]))).sum())
        assert a + b == pytest.approx(pair.first.totals[full] + pair.second.totals[full])
        seen.add(flips[0])
    assert len(seen) == 16


def simulated(metric: str, performance: int, hard: Array, numbers: np.random.Generator) -> Rows:
    """Draw a network whose omega is the same at both levels of performance."""
    count = len(hard)
    if metric == "accuracy":  # omega 0.2
        right = (numbers.uniform(size=count) < (0.8, 0.6)[performance]).astype(float)
        kept = numbers.uniform(size=count) < (0.75, 2 / 3)[performance]
        return accuracy_rows(right, {("zero", "x"): right * kept})
    if metric == "mse":  # omega 0.5
        full = (1, 3)[performance] * hard + numbers.uniform(size=count)
        return error_rows(full, {("zero", "x"): full + numbers.uniform(size=count)})
    # rms of 1 and 2, or of 2 and 3: omega 1
    one, two = hard * numbers.uniform(0.8, 1.2, (2, count))
    return depth_rows((1, 4)[performance] * one, {("zero", "x"): (4, 9)[performance] * two})


@pytest.mark.parametrize("metric", ["mse", "accuracy", "rms"])
def test_intervals_cover_and_the_test_keeps_its_level(metric: str) -> None:
    """Simulate the null that matters: the same omega in networks of other performance."""
    numbers, resampling = np.random.default_rng(2), Resampling(draws=400)
    formula = of_kind(METRICS[metric], "depth").formula
    covered, rejected = [], []
    for _ in range(400):
        hard = numbers.exponential(size=80)
        first, second = (simulated(metric, i, hard, numbers) for i in (0, 1))
        pair = draw_pair(first, second, resampling)
        full, muted = pair.first.totals
        difference, drawn, swapped = (
            formula(a[muted]) - formula(a[full]) - (formula(b[muted]) - formula(b[full]))
            for a, b in pair.sides()
        )
        low, high = resampling.interval(drawn, 80)
        covered.append(low <= 0 <= high)
        rejected.append(resampling.p_value(difference, swapped, 80) < 0.05)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.033)  # three standard errors
    assert np.mean(rejected) <= 0.083
