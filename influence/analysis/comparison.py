"""Comparison of two networks or two runs: differences of omega and of performance, with tests.

Both networks are measured on the same samples, so the differences are paired: each draw of the
bootstrap is used for both networks, and the test swaps their rows in random samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.omega import (
    Cell,
    Quantities,
    Subject,
    adjust_p_values,
    list_cells,
    make_table,
)
from influence.analysis.stored_run import find_subjects, read_measured, tabled_conditions
from influence.errors import InfluenceError, unknown
from influence.metrics.registry import Wanted
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.results.run_directory import Run
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows, Sums, full_key, match_samples

__all__ = ["COMPARISON_COLUMNS", "PairedSums", "compare", "data_notes", "draw_pair"]

COMPARISON_COLUMNS = (
    "quantity", "network_a", "seed_a", "network_b", "seed_b", "dataset", "mute", "source",
    "target", "metric", "level", "higher_is_better", "unit", "a", "b", "difference", "low", "high",
    "confidence", "p_value", "p_holm", "n",
)  # fmt: skip
"""`quantity` is omega, or the performance with nothing muted; `a` and `b` are the values of the two
networks. `difference` is a minus b, oriented such that a positive value means that A is better, or
that the source helps A more."""

Array = NDArray[np.float64]
SumsByKey = Mapping[RowKey, Array]


def compare(
    run_a: Run,
    run_b: Run | None = None,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    metrics: Sequence[Wanted] = (),
    resampling: Resampling | None = None,
) -> pd.DataFrame:
    """Compare omega and performance of networks on the same samples, in two runs or in one.

    Two tables may differ only because of the samples; here each difference has an interval and a
    test. Intervals come from the paired bootstrap. The null hypothesis of the test is that the two
    networks are exchangeable on each sample. Holm's adjustment is applied to all tests of one pair
    of networks, one quantity and one mute, separately at level ``all`` and at the finer levels.

    Parameters
    ----------
    run_a, run_b
        Runs with their rows, as `measure` returns them or as read with ``rows=True``. Without
        `run_b`, networks of `run_a` are compared with each other.
    pairs
        The pairs of networks to compare, (name in A, name in B), named as in `Run.rows`. By default
        the networks of the same name, or the only one of each run.
    metrics
        The metrics to compare: names of the library's metrics, ``module:name`` of others, or
        records; by default all.
    resampling
        The bootstrap draws; by default the number and seed with which `run_a` was measured.

    Returns
    -------
    DataFrame
        With the columns `COMPARISON_COLUMNS`: for each pair of networks one row for each omega, and
        for each performance with nothing muted, that is in both runs.

    Raises
    ------
    InfluenceError
        If the samples differ, or the runs have no metric of an output under a mute in common.

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
            f"expected two runs, or pairs of the networks of one: {', '.join(run_a.rows)}. Name "
            "the pairs, such as pairs=[('A', 'B')]"
        )
    subjects_a, subjects_b = find_subjects(run_a, metrics), find_subjects(run_b, metrics)
    resampling = resampling or read_measured(run_a).resampling
    frames = [
        _compare_pair(
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
            "expected two runs that have a metric of an output under a mute in common, got none. "
            "Measure both with the same metrics and mutes"
        )
    return table


def data_notes(run_a: Run, run_b: Run) -> list[str]:
    """Return a note if the evaluation files of two runs are not identical."""
    hashes = [read_measured(run).data.sha256 for run in (run_a, run_b)]
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
        f"expected networks of one name in both runs, got {', '.join(run_a.rows)} in the first and "
        f"{', '.join(run_b.rows)} in the second. Name the pairs, such as pairs=[('A', 'B')]"
    )


@dataclass(frozen=True)
class PairedSums:
    """The sums of two networks over the same samples, from the same draws.

    Parameters
    ----------
    first, second
        The sums of each network.
    swaps
        Rows of the second minus rows of the first network, summed over the samples that each
        sign flip swaps, (draws, k) for each key.
    """

    first: Sums
    second: Sums
    swaps: SumsByKey

    def sides(self) -> list[tuple[SumsByKey, SumsByKey]]:
        """Return the sums of both networks three times: observed, resampled and swapped.

        Observed sums are over all samples, (k,) for each key; resampled ones over the samples of
        every bootstrap draw, (draws, k). The swapped sums, (draws, k), result from swapping the
        networks in random samples. If the networks are exchangeable on each sample, jointly under
        all conditions, swapped and observed sums have the same distribution.
        """
        swapped = (
            {key: self.first.totals[key] + swap for key, swap in self.swaps.items()},
            {key: self.second.totals[key] - swap for key, swap in self.swaps.items()},
        )
        observed = (self.first.totals, self.second.totals)
        return [observed, (self.first.drawn, self.second.drawn), swapped]


def draw_pair(rows_a: Rows, rows_b: Rows, resampling: Resampling) -> PairedSums:
    """Sum the rows that two networks share, with at most one site muted, in the same draws.

    Raises
    ------
    InfluenceError
        If the samples are not the same, or rows are not of the same length.
    """
    rows_b = match_samples(rows_b, rows_a)
    keys = [key for key in rows_a.values
            if key in rows_b.values and len(key.condition.setup) < 2]  # fmt: skip
    for key in keys:
        found = [rows.values[key].shape[1] for rows in (rows_a, rows_b)]
        if found[0] != found[1]:
            raise InfluenceError(
                f"{key}: the first network has rows of {found[0]} numbers and the second of "
                f"{found[1]}. Compare networks of the same classes"
            )
    first, second = (
        replace(rows, values={key: rows.values[key] for key in keys}) for rows in (rows_a, rows_b)
    )
    return PairedSums(
        resampling.sums(first),
        resampling.sums(second),
        resampling.exchange(
            {key: (first.values[key], second.values[key]) for key in keys}, rows_a.drawn_together
        ),
    )


def _compare_pair(
    pair: PairedSums,
    a: Subject,
    b: Subject,
    conditions: Sequence[Condition],
    resampling: Resampling,
) -> pd.DataFrame:
    shared = _shared(a, b)
    groups = pair.first.groups
    sides = pair.sides()

    def found() -> Iterator[tuple[Cell, Quantities]]:
        for cell in list_cells(pair.first, shared, conditions):
            unmuted = cell.key.condition.setup == FULL
            if unmuted and cell.compares_with_full:
                continue  # no change with nothing muted
            value_a, value_b = (_quantity(cell, side) for side in sides[0])
            if not unmuted:
                value_a, value_b = cell.metric.oriented(value_a), cell.metric.oriented(value_b)
            difference, drawn, swapped = (
                cell.metric.oriented(_quantity(cell, first) - _quantity(cell, second))
                for first, second in sides
            )
            low, high = resampling.interval(drawn, groups)
            p_value = resampling.p_value(difference, swapped, groups)
            names = {"quantity": "performance" if unmuted else "omega"}
            values = {"a": value_a, "b": value_b, "difference": difference}
            yield cell, names | values | {"low": low, "high": high, "p_value": p_value}

    networks = {"network_a": a.network, "seed_a": a.seed, "network_b": b.network, "seed_b": b.seed}
    about = networks | {"confidence": resampling.confidence, "n": pair.first.n}
    table = make_table(found(), shared, COMPARISON_COLUMNS, **about)
    return adjust_p_values(table, ("quantity", "mute"))


def _shared(a: Subject, b: Subject) -> Subject:
    """Return the first subject, with only the metrics that the second has as well."""
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


def _quantity(cell: Cell, sums: SumsByKey) -> Array:
    """Return omega, or the performance if nothing is muted, before orientation."""
    value = cell.values(sums[cell.key])
    muted = cell.key.condition.setup != FULL
    return cell.values(sums[full_key(cell.key)]) - value if muted else value
