"""Comparison of two networks, or of two runs: is omega, or the performance, different?

Both are measured on the same samples, so the differences are paired: one draw of the bootstrap
serves both sides, and the test swaps the rows of the two networks in random samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.pairing import Pair, Side, draw_pair
from influence.analysis.stored_run import (
    find_data_hash,
    find_resampling,
    find_subjects,
    tabled_conditions,
)
from influence.analysis.subject import Cell, Subject, list_cells
from influence.errors import InfluenceError, unknown
from influence.metrics.registry import Wanted
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.results.run import Run
from influence.statistics.bootstrap import Resampling, holm
from influence.statistics.sums import full_key

__all__ = ["COMPARISON_COLUMNS", "compare", "data_notes"]

COMPARISON_COLUMNS = (
    "quantity", "network_a", "seed_a", "network_b", "seed_b", "dataset", "mute", "source",
    "target", "metric", "level", "higher_is_better", "unit", "a", "b", "difference", "low", "high",
    "confidence", "p_value", "p_holm", "n",
)  # fmt: skip
"""`quantity` is omega, or performance with nothing muted; `a` and `b` are its two values, and
`difference` is a minus b, turned so that positive means that A is better, or is helped more."""

Array = NDArray[np.float64]


def compare(
    run_a: Run,
    run_b: Run | None = None,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    metrics: Sequence[Wanted] = (),
    resampling: Resampling | None = None,
) -> pd.DataFrame:
    """Compare networks of two runs, or of one, on the same samples.

    Parameters
    ----------
    run_a, run_b
        Runs with their rows: as `measure` returns them, or read with ``rows=True``. Without
        `run_b`, networks of `run_a` are compared with each other.
    pairs
        Which network of A with which of B, by the names of `Run.rows`. By default those of one
        name, or the only one of each.
    metrics
        Only these: names, or ``module:name`` or records of a user's own; by default all.
    resampling
        The draws; by default as many, from the same seed, as `run_a` was measured with.

    Returns
    -------
    DataFrame
        One row for each pair and omega, and each pair and performance with nothing muted, that
        both have, with the columns `COMPARISON_COLUMNS`. Intervals are of the paired bootstrap.
        The null hypothesis of the test is that the two networks are exchangeable on each sample;
        Holm's adjustment runs over what a pair has of one quantity and mute, at level ``all`` and
        below it.

    Raises
    ------
    InfluenceError
        If the samples are not the same, or what was measured has nothing in common.

    Examples
    --------
    >>> import torch
    >>> from influence.measurement.pipeline import measure
    >>> from influence.network.joint_network import JointNetwork
    >>> class Mix(torch.nn.Module):
    ...     def __init__(self, weight):
    ...         super().__init__()
    ...         self.weight = weight
    ...     def forward(self, x, y):
    ...         return x + self.weight * y
    >>> x, y = torch.randn(64, 3), torch.randn(64, 3)
    >>> nets = [JointNetwork(Mix(w), ("x", "y"), ("total",), name=f"w{w}") for w in (1, 0.5)]
    >>> run = measure(nets, [({"x": x, "y": y}, {"total": x + y})], mutes=["zero"])
    >>> table = compare(run, pairs=[("w1", "w0.5")], metrics=["mse"])
    >>> row = table[table.source == "y"].iloc[0]
    >>> square = y.double().square().mean().item()
    >>> bool(abs(row.difference - (1 - 0.75) * square) < 1e-6)  # E[y^2] - (E[y^2] - E[y^2] / 4)
    True
    """
    one_run, run_b = run_b is None, run_b or run_a
    if one_run and not pairs:
        raise InfluenceError(
            f"expected two runs, or pairs of the networks of one: {', '.join(run_a.rows)}. Say "
            "which with which, such as --pair A=B"
        )
    subjects_a, subjects_b = find_subjects(run_a, metrics), find_subjects(run_b, metrics)
    resampling = resampling or find_resampling(run_a)
    frames = [
        _tabulate(
            pair := draw_pair(run_a.rows[a], run_b.rows[b], resampling),
            subjects_a[a],
            subjects_b[b],
            [Condition(NO_MUTE, FULL), *tabled_conditions(run_a, pair.first.conditions())],
            resampling,
        )
        for a, b in _choose(run_a, run_b, pairs)
    ]
    table = pd.concat(frames, ignore_index=True)
    if table.empty:
        raise InfluenceError(
            "the two runs have no metric of an output under a mute in common. Measure both alike"
        )
    return table


def data_notes(run_a: Run, run_b: Run) -> list[str]:
    """Say so if two runs were measured on evaluation files that are not the same to the byte."""
    hashes = [find_data_hash(run) for run in (run_a, run_b)]
    if hashes[0] == hashes[1] or not all(hashes):
        return []
    return ["the evaluation files of the two runs differ; samples were matched by their ids"]


def _choose(run_a: Run, run_b: Run, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    for names, run in zip(zip(*pairs, strict=True), (run_a, run_b), strict=False):
        for name in names:
            if name not in run.rows:
                raise unknown("network", name, run.rows)
    if pairs:
        return list(pairs)
    if common := [name for name in run_a.rows if name in run_b.rows]:
        return [(name, name) for name in common]
    if len(run_a.rows) == len(run_b.rows) == 1:
        return [(next(iter(run_a.rows)), next(iter(run_b.rows)))]
    raise InfluenceError(
        f"no network of {', '.join(run_a.rows)} is called as one of {', '.join(run_b.rows)}. Say "
        "which with which, such as --pair A=B"
    )


def _tabulate(
    pair: Pair, a: Subject, b: Subject, conditions: Sequence[Condition], resampling: Resampling
) -> pd.DataFrame:
    ways = [pair.observed(), pair.resampled(), pair.swapped()]
    shared = _shared(a, b)
    records = []
    for condition in conditions:
        for cell in list_cells(pair.first, shared, condition, "all"):
            metric = cell.metric
            if condition.setup == FULL and not metric.needs_truth:
                continue  # nothing muted changes nothing
            sides = [_quantity(cell, side) for side in pair.observed()]
            difference, drawn, swapped = (
                metric.oriented(_quantity(cell, first) - _quantity(cell, second))
                for first, second in ways
            )
            low, high = resampling.interval(drawn, pair.first.groups)
            p_values = resampling.p_value(difference, swapped, pair.first.groups)
            for i, level in enumerate(cell.levels):
                records.append(
                    _names(a, b, cell, level)
                    | {
                        "unit": a.unit(cell.key.output, metric),
                        "a": _shown(cell, sides[0])[i],
                        "b": _shown(cell, sides[1])[i],
                        "difference": difference[i],
                        "low": low[i],
                        "high": high[i],
                        "confidence": resampling.confidence,
                        "p_value": p_values[i],
                        "n": pair.first.n,
                    }
                )
    frame = pd.DataFrame(records, columns=list(COMPARISON_COLUMNS))
    family = [frame["quantity"], frame["mute"], frame["level"] == "all"]
    p_holm = frame.groupby(family, sort=False)["p_value"].transform(lambda p: holm(p.tolist()))
    return frame.assign(p_holm=p_holm)


def _shared(a: Subject, b: Subject) -> Subject:
    """Return the first subject with the metrics that the second has, too."""
    for output in a.classes.keys() & b.classes.keys():
        if list(a.classes[output]) != list(b.classes[output]):
            raise InfluenceError(
                f"output {output!r} has the classes {', '.join(a.classes[output])} in the first "
                f"run and {', '.join(b.classes[output])} in the second. Compare networks of the "
                "same classes"
            )
    scored = {(output, metric.name) for output, metric in b.scored()}
    both = {
        output: [metric for metric in metrics if (output, metric.name) in scored]
        for output, metrics in a.metrics.items()
    }
    return replace(a, metrics=both)


def _quantity(cell: Cell, side: Side) -> Array:
    """Return omega, or the performance where nothing is muted, before it is oriented."""
    own = cell.values(side[cell.key])
    muted = cell.key.condition.setup != FULL
    return cell.values(side[full_key(cell.key)]) - own if muted else own


def _shown(cell: Cell, quantity: Array) -> Array:
    """Return an omega positive for help, and a performance in its own direction."""
    return quantity if cell.key.condition.setup == FULL else cell.metric.oriented(quantity)


def _names(a: Subject, b: Subject, cell: Cell, level: str) -> dict[str, Any]:
    condition = cell.key.condition
    return {
        "quantity": "omega" if condition.setup else "performance",
        "network_a": a.network,
        "seed_a": a.seed,
        "network_b": b.network,
        "seed_b": b.seed,
        "dataset": a.dataset,
        "mute": condition.mute,
        "source": "+".join(condition.setup),
        "target": cell.key.output,
        "metric": cell.metric.name,
        "level": level,
        "higher_is_better": cell.metric.higher_is_better,
    }
