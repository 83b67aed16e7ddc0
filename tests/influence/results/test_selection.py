"""Selections: which rows of a frame are shown, and what is said of names that are not there."""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.results.selection import choose, scored_by

FRAME = pd.DataFrame(
    product(["zero", "mean"], ["depth", "labels"], ["rms", "sqr_rel"], ["all", "class:bed"]),
    columns=["mute", "target", "metric", "level"],
)


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        ({}, "metric == 'sqr_rel' and level == 'all'"),
        ({"mute": ["mean"]}, "metric == 'sqr_rel' and level == 'all' and mute == 'mean'"),
        ({"metric": ["rms"], "level": "class:*"}, "metric == 'rms' and level == 'class:bed'"),
        ({"metric": ["rms", "sqr_rel"], "level": "*"}, "mute == mute"),
    ],
)
def test_rows_that_are_chosen(wanted: dict[str, Any], query: str) -> None:
    pd.testing.assert_frame_equal(choose(FRAME, **wanted), FRAME.query(query))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"mute": ["zeros"]}, "unknown mute 'zeros': did you mean 'zero'"),
        ({"metric": ["sqr_rle"]}, "unknown metric 'sqr_rle': did you mean 'sqr_rel'"),
        ({"level": "class:bde"}, "unknown level 'class:bde': did you mean 'class:bed'"),
    ],
)
def test_unknown_names_are_told(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        choose(FRAME, **wanted)


def test_the_headline_is_chosen_for_each_target() -> None:
    own = FRAME[(FRAME["target"] == "depth") | (FRAME["metric"] == "rms")]
    found = scored_by(own, ())[["target", "metric"]].drop_duplicates()
    assert dict(found.itertuples(index=False)) == {"depth": "sqr_rel", "labels": "rms"}
