"""Runs that are made of rows, for the tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.omega import Subject, influence_frame, performance_frame
from influence.metrics.registry import METRICS
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.results.run_directory import Run
from influence.results.tables import empty_table
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows

Array = NDArray[np.float64]
RESAMPLING = Resampling(draws=500)
UNMUTED = Condition(NO_MUTE, FULL)


def error_rows(
    full: Array, muted: Mapping[tuple[str, str], Array], groups: Sequence[int] | None = None
) -> Rows:
    """Return rows of one output `y` scored by mse, from the squared error of each sample.

    `muted` gives the squared errors by mute and source.
    """
    conditions = {UNMUTED: full}
    conditions |= {Condition(mute, frozenset({s})): e for (mute, s), e in muted.items()}
    values = {
        RowKey(condition, "y", "errors"): np.column_stack([np.ones_like(e), e, np.sqrt(np.abs(e))])
        for condition, e in conditions.items()
    }
    return _rows(values, groups)


def depth_rows(
    full: Array, muted: Mapping[tuple[str, str], Array], groups: Sequence[int] | None = None
) -> Rows:
    """Return rows of one output `y` scored by rms, from the squared error of each sample."""
    conditions = {UNMUTED: full}
    conditions |= {Condition(mute, frozenset({s})): e for (mute, s), e in muted.items()}
    values = {}
    for condition, errors in conditions.items():
        found = values[RowKey(condition, "y", "depth_errors")] = np.zeros((len(errors), 11))
        found[:, 0], found[:, 5] = 1, errors  # pixels, square
    return _rows(values, groups)


def accuracy_rows(
    full: Array,
    muted: Mapping[tuple[str, str], Array],
    groups: Sequence[int] | None = None,
    *,
    by_class: bool = False,
) -> Rows:
    """Return rows of one output `y` scored by accuracy, from what is right (1) and wrong (0).

    All samples are of the second class of two; if asked for, there are also counts of classes.
    """
    conditions = {UNMUTED: full}
    conditions |= {Condition(mute, frozenset({s})): r for (mute, s), r in muted.items()}
    values: dict[RowKey, Array] = {}
    for condition, r in conditions.items():
        nothing, ones = np.zeros_like(r), np.ones_like(r)
        values[RowKey(condition, "y", "hits")] = np.column_stack([r, ones])
        if by_class:
            counts = np.column_stack([nothing, r, nothing, ones, 1 - r, r])
            values[RowKey(condition, "y", "class_counts")] = counts
    return _rows(values, groups)


def _rows(values: Mapping[RowKey, Array], groups: Sequence[int] | None) -> Rows:
    count = len(next(iter(values.values())))
    numbers = np.arange(count) if groups is None else np.asarray(groups)
    return Rows([f"s{i}" for i in range(count)], numbers.astype(np.int64), values)


def run_of(
    rows: Mapping[str, Rows],
    metrics: Sequence[str] = ("mse",),
    *,
    seeds: Mapping[str, tuple[str, int]] | None = None,
    resampling: Resampling = RESAMPLING,
    dataset: str = "made",
) -> Run:
    """Return the run that `measure` would make of rows; `seeds` gives name and seed by key."""
    names = {key: (seeds or {}).get(key, (key, 0)) for key in rows}
    sites = tuple(sorted({s for r in rows.values() for c in r.conditions() for s in c.setup}))
    subjects = {
        key: Subject(
            network=names[key][0],
            seed=names[key][1],
            dataset=dataset,
            modalities=sites,
            metrics={"y": [METRICS[name] for name in metrics]},
            classes={},
            units={"y": "m"},
            checkpoint_sha256="17ab",
        )
        for key in rows
    }
    sums = {key: resampling.sums(found) for key, found in rows.items()}
    frames = {
        name: pd.concat(
            [make(sums[key], subjects[key], resampling) for key in rows], ignore_index=True
        )
        for name, make in (("influence", influence_frame), ("performance", performance_frame))
    }
    return Run(
        **frames,
        samples=empty_table("samples"),
        info=_info(names, sites, metrics, resampling),
        rows=rows,
    )


def _info(
    names: Mapping[str, tuple[str, int]],
    sites: Sequence[str],
    metrics: Sequence[str],
    resampling: Resampling,
) -> dict[str, Any]:
    return {
        "measured": {
            "networks": [
                {"name": name, "seed": seed, "sites": list(sites), "metrics": {"y": list(metrics)}}
                for name, seed in names.values()
            ],
            "data": {"name": "made", "sha256": "", "n": None},
            "seed": resampling.seed,
            "draws": resampling.draws,
            "confidence": resampling.confidence,
        },
        "samples": False,
    }
