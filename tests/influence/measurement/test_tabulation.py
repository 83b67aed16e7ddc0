"""Tabulation: the tables of several networks, of groups and of sums alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from influence.analysis.omega import Subject, influence_frame, performance_frame
from influence.engine.evaluation import Evaluation
from influence.engine.trial import Trial
from influence.measurement.tabulation import tabulate
from influence.metrics.registry import METRICS
from influence.plan.setups import Condition
from influence.results.tables import COLUMNS
from influence.statistics.bootstrap import Resampling, holm, rows_of_group
from influence.statistics.rows import RowKey, Rows, Sums

RESAMPLING = Resampling(draws=50, seed=2)
SETUPS = ("", "x", "z", "xz")


def rows(seed: int, groups: Sequence[int] | None = None) -> Rows:
    stream = np.random.default_rng(seed)
    values = {}
    for sites in SETUPS:
        key = RowKey(Condition("zero" if sites else "none", frozenset(sites)), "y", "errors")
        errors = stream.random(12) + len(sites)
        values[key] = np.stack([np.ones(12), errors, errors**2], axis=1)
    numbers = np.arange(12) if groups is None else np.array(groups)
    return Rows([f"s{i}" for i in range(12)], numbers, values)


def subject(name: str) -> Subject:
    return Subject(name, 0, "made", ("x", "z"), {"y": [METRICS["mse"]]}, {}, {"y": "m"})


def found(kept: Rows | Sums) -> Evaluation[Rows | Sums]:
    return Evaluation(kept, (), Trial(False), "", {}, {})


def rows_of(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["network"] == name].reset_index(drop=True)


def test_networks_stand_below_each_other() -> None:
    parts = {name: found(rows(seed)) for seed, name in enumerate("ab")}
    both = tabulate(list(parts.values()), [subject(n) for n in parts], RESAMPLING)
    assert list(both) == list(COLUMNS)
    for name, part in parts.items():
        alone = tabulate([part], [subject(name)], RESAMPLING)
        for table in ("influence", "performance", "samples"):
            assert len(alone[table]) > 0
            pd.testing.assert_frame_equal(rows_of(name, both[table]), alone[table])


def test_what_was_not_asked_for_is_empty_with_its_columns() -> None:
    tables = tabulate([found(rows(0))], [subject("a")], RESAMPLING)
    for name in ("interactions", "distance"):
        assert len(tables[name]) == 0
        assert tuple(tables[name].columns) == COLUMNS[name]
    asked = tabulate([found(rows(0))], [subject("a")], RESAMPLING, interactions=True)
    assert len(asked["interactions"]) == 4 * 2 - 1


def test_sums_give_the_tables_of_their_rows_and_no_samples() -> None:
    kept = rows(0)
    exact = tabulate([found(kept)], [subject("a")], RESAMPLING)
    streamed = tabulate([found(RESAMPLING.sums(kept))], [subject("a")], RESAMPLING)
    for name in ("influence", "performance"):
        pd.testing.assert_frame_equal(streamed[name], exact[name])
    assert len(exact["samples"]) == 2 * 12
    assert len(streamed["samples"]) == 0


def test_a_group_is_tabulated_as_if_it_were_all_there_is() -> None:
    kept = rows(0, groups=[0, 1] * 6)
    levels = ["group:a", "group:b"]
    tables = tabulate([found(kept)], [subject("a")], RESAMPLING, groups=levels, interactions=True)
    for number, level in enumerate(levels):
        alone = RESAMPLING.sums(rows_of_group(kept, number))
        for name, make in (("influence", influence_frame), ("performance", performance_frame)):
            own = tables[name][tables[name]["level"] == level].reset_index(drop=True)
            expected = make(alone, subject("a"), RESAMPLING, level=level)
            compared = expected.columns.drop("p_holm", errors="ignore")
            pd.testing.assert_frame_equal(own[compared], expected[compared], check_dtype=False)
    assert set(tables["interactions"]["level"]) == {"all", *levels}


def test_groups_are_one_family_of_the_adjustment() -> None:
    kept = rows(0, groups=[0, 1] * 6)
    levels = ["group:a", "group:b"]
    influence = tabulate([found(kept)], [subject("a")], RESAMPLING, groups=levels)["influence"]
    finer = influence[influence["level"] != "all"]
    assert len(finer) == 4
    np.testing.assert_allclose(finer["p_holm"], holm(finer["p_value"].tolist()))
