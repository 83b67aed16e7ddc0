"""Verdicts of a panel, by hand and against a second reading of the intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence.errors import InfluenceError
from influence.results.verdict import (
    INDISTINGUISHABLE,
    STABLE,
    UNSTABLE,
    UNTESTED,
    VERDICT_COLUMNS,
    in_words,
    verdicts,
)
from tests.tables_of_runs import influence_frame

MUTES = ("zero", "mean", "shuffle")


def panel(*intervals: tuple[float, float]) -> pd.DataFrame:
    """Return the influence of one direction under as many mutes as there are intervals."""
    low, high = np.array(intervals, dtype=float).reshape(-1, 2).T
    frame = influence_frame(["a"], MUTES[: len(intervals)])
    one = frame[(frame["source"] == "depth") & (frame["metric"] == "mean_iou")]
    return one.assign(omega=(low + high) / 2, omega_low=low, omega_high=high)


@pytest.mark.parametrize(
    ("intervals", "verdict", "words"),
    [
        ([(1, 2), (0.1, 3), (5, 6)], STABLE, "stable sign: helps"),
        ([(-2, -1), (-0.2, -0.1)], STABLE, "stable sign: hurts"),
        ([(-1, 1), (-2, 3), (0, 1)], INDISTINGUISHABLE, INDISTINGUISHABLE),
        ([(1, 2), (-1, 2)], UNSTABLE, "unstable sign: + zero; 0 mean"),
        ([(1, 2), (-3, -2), (4, 5)], UNSTABLE, "unstable sign: + zero, shuffle; − mean"),
        ([(np.nan, np.nan), (-1, 1)], INDISTINGUISHABLE, INDISTINGUISHABLE),
        ([(np.nan, np.nan), (1, 2)], UNSTABLE, "unstable sign: + mean; 0 zero"),
    ],
)
def test_by_hand(intervals: list[tuple[float, float]], verdict: str, words: str) -> None:
    row = verdicts(panel(*intervals)).iloc[0]
    assert row["verdict"] == verdict
    assert in_words(row) == words


def test_no_verdict_on_what_is_not_tested() -> None:
    nothing = panel((np.nan, np.nan), (np.nan, np.nan))  # such as Cohen's kappa by torchmetrics
    change = panel((1, 2), (0.1, 3)).assign(p_value=np.nan)  # such as the share of changed labels
    for frame in (nothing, change):
        row = verdicts(frame).iloc[0]
        assert row["verdict"] == in_words(row) == UNTESTED
        assert not row["helps"] + row["hurts"] + row["undecided"]


ENDS = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted).map(tuple)


@given(st.lists(ENDS, min_size=1, max_size=3))
def test_as_the_definition_says_for_any_intervals(intervals: list[tuple[float, float]]) -> None:
    above, below = (
        [f(a, b) for a, b in intervals] for f in (lambda a, _: a > 0, lambda _, b: b < 0)
    )
    row = verdicts(panel(*intervals)).iloc[0]
    assert (row["verdict"] == STABLE) == (all(above) or all(below))
    assert (row["verdict"] == INDISTINGUISHABLE) == (not any(above) and not any(below))
    middles = [(a + b) / 2 for a, b in intervals]
    assert (row["smallest"], row["largest"]) == (min(middles), max(middles))
    sides = [row[side].split(", ") for side in ("helps", "hurts", "undecided") if row[side]]
    assert sorted(m for side in sides for m in side) == sorted(MUTES[: len(intervals)])


def test_one_row_is_a_direction_metric_and_level_of_a_network_and_seed() -> None:
    frame = influence_frame(["a", "b"])
    unseeded = frame.assign(seed=None)
    sliced = frame.assign(level="class:floor")
    both = pd.concat([frame, frame.assign(seed=1), sliced, unseeded], ignore_index=True)
    judged = verdicts(both)
    assert tuple(judged.columns) == VERDICT_COLUMNS
    assert len(judged) == len(frame) / 2 * 3
    assert set(judged["level"]) == {"all"}
    assert set(verdicts(both, level="class:*")["level"]) == {"class:floor"}
    assert len(verdicts(both, level="*")) == len(judged) + len(frame) / 2
    assert set(judged["mutes"]) == {"zero, mean"}


def test_what_is_not_there_and_what_is_there_twice_is_refused() -> None:
    frame = influence_frame(["a"])
    with pytest.raises(InfluenceError, match="two results for network 'a', depth → depth, mute"):
        verdicts(pd.concat([frame, frame]))
    with pytest.raises(InfluenceError, match="unknown level 'class:floor'"):
        verdicts(frame, level="class:floor")
