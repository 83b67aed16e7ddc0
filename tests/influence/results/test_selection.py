"""Selections: which rows of a table are shown, which samples are extreme, and unknown names."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.results.selection import choose, extreme_samples, scored_by
from influence.results.tables import SAMPLES_COLUMNS
from tests.tables_of_runs import samples_frame

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
def test_unknown_names_are_refused(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        choose(FRAME, **wanted)


def test_the_headline_is_chosen_for_each_target() -> None:
    own = FRAME[(FRAME["target"] == "depth") | (FRAME["metric"] == "rms")]
    found = scored_by(own, ())[["target", "metric"]].drop_duplicates()
    assert dict(found.itertuples(index=False)) == {"depth": "sqr_rel", "labels": "rms"}


def plain_search(frame: pd.DataFrame, sign: int, top: int) -> list[str]:
    """Sort the omegas of one direction by hand."""
    pairs = [
        (sign * w, i) for w, i in zip(frame["omega"], frame["id"], strict=True) if sign * w > 0
    ]
    return [name for _, name in sorted(pairs, key=lambda pair: -pair[0])[:top]]


@pytest.mark.parametrize("top", [1, 4, 1000])
def test_each_direction_has_its_own_extremes(top: int) -> None:
    frame = samples_frame(["a", "b"])
    found = extreme_samples(frame, metric=["rms", "mean_iou"], top=top)
    assert list(found.columns) == [*SAMPLES_COLUMNS, "side", "rank"]
    keys = ["network", "mute", "source", "target", "metric"]
    directions = found.groupby(keys, sort=False)
    assert directions.ngroups == 2 * 2 * 2 * 2
    for key, rows in directions:
        own = frame[(frame[keys] == list(key)).all(axis=1)]
        for side, sign in (("helped", 1), ("hurt", -1)):
            chosen = rows[rows["side"] == side]
            assert list(chosen["id"]) == plain_search(own, sign, top)
            assert list(chosen["rank"]) == list(range(1, len(chosen) + 1))
            assert (chosen["omega"] * sign > 0).all()


def test_values_come_with_their_sample() -> None:
    frame = samples_frame(["a"])
    found = extreme_samples(frame, top=3)
    keys = ["mute", "source", "target", "metric", "id"]
    both = found.merge(frame, on=keys, suffixes=("", "_there"))
    assert len(both) == len(found) > 0
    for column in ("full", "muted", "omega", "group"):
        assert both[column].equals(both[f"{column}_there"])


def test_extremes_are_chosen_by_name() -> None:
    frame = samples_frame(["a", "b"])
    found = extreme_samples(
        frame, network=["b"], source=["depth"], target=["semantic"], metric=["pixel_accuracy"],
        mute=["mean"], top=2,
    )  # fmt: skip
    names = found[["network", "source", "target", "metric", "mute"]].drop_duplicates()
    assert names.to_numpy().tolist() == [["b", "depth", "semantic", "pixel_accuracy", "mean"]]
    assert set(extreme_samples(frame)["metric"]) == {"mean_iou", "sqr_rel"}


def test_what_is_not_defined_or_makes_no_difference_is_on_no_side() -> None:
    frame = samples_frame(["a"], ["zero"], count=5)
    one = frame[(frame["source"] == "depth") & (frame["metric"] == "rms")]
    one = one.assign(omega=[np.nan, 0.0, 2.0, -1.0, np.inf], full=[1, 1, 1, 1, np.inf])
    found = extreme_samples(one, metric=["rms"])
    assert found["id"].tolist() == ["0004", "0002", "0003"]
    assert found["side"].tolist() == ["helped", "helped", "hurt"]
    assert extreme_samples(one.assign(omega=0.0), metric=["rms"]).empty


def test_a_network_without_a_seed_is_not_lost() -> None:
    assert len(extreme_samples(samples_frame(["a"]).assign(seed=np.nan), top=1)) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "expected top=1 or more, got 0"),
        ({"source": ["dept"]}, "unknown source 'dept': did you mean 'depth'"),
        ({"mute": ["noise"]}, "unknown mute 'noise'"),
        ({"metric": ["rsm"]}, "unknown metric 'rsm': did you mean 'rms'"),
    ],
)
def test_mistakes_about_extremes_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        extreme_samples(samples_frame(["a"]), **options)  # type: ignore[arg-type]
