"""Subjects of a run: what its rows are about, found again from its tables and its provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from influence.analysis.omega import influence_frame
from influence.analysis.subject import Subject
from influence.errors import InfluenceError, unknown
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS, Wanted, find_metrics, find_stateful
from influence.plan.conditions import Condition
from influence.results.run import Run
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows

__all__ = ["find_data_hash", "find_resampling", "find_subjects", "tabled_conditions"]

T = TypeVar("T")

MOST_DRAWS = 10**6
"""Nobody measures with more; a file that others wrote may say anything."""


def find_subjects(run: Run, metrics: Sequence[Wanted] = ()) -> dict[str, Subject]:
    """Say what the rows of each network of a run are about, by the names of `Run.rows`.

    What is computed from the rows has to be what the run's table says, or the two are not of one
    run.

    Parameters
    ----------
    run
        A run with its rows: as `measure` returns it, or from ``read_run(directory, rows=True)``.
    metrics
        Only these: names, or ``module:name`` or records of a user's own; by default all of the
        run, which then are to be the library's.

    Raises
    ------
    InfluenceError
        If the run has no rows, is inconsistent, or has a metric that cannot be computed.
    """
    if not run.rows:
        raise InfluenceError(
            "expected a run with its rows, got one without (a streamed run keeps none). Measure "
            "without streaming, or read it by read_run(directory, rows=True)"
        )
    networks = _facts(lambda: run.info["measured"]["networks"])
    if len(networks) != len(run.rows):
        raise InfluenceError(
            f"run.json tells of {len(networks)} networks and rows.h5 of {len(run.rows)}. Copy the "
            "files of one run"
        )
    known = _known(metrics)
    subjects = {
        key: _subject(key, facts, run, known) for key, facts in zip(run.rows, networks, strict=True)
    }
    found = {metric.name for subject in subjects.values() for _, metric in subject.scored()}
    if lost := [name for name in known if metrics and name not in found]:
        raise unknown("metric of this run", lost[0], found | set(run.influence["metric"]))
    for key, subject in subjects.items():
        _check(run.rows[key], subject, run.influence)
    return subjects


def find_resampling(run: Run) -> Resampling:
    """Return the resampling by which a run's intervals were computed.

    Raises
    ------
    InfluenceError
        If its provenance does not tell.
    """
    measured = _facts(lambda: run.info["measured"])
    if _facts(lambda: int(measured["draws"])) > MOST_DRAWS:
        raise InfluenceError(
            f"run.json: expected {MOST_DRAWS} draws at most, got {measured['draws']}. Measure again"
        )
    return _facts(
        lambda: Resampling(
            int(measured["draws"]), float(measured["confidence"]), int(measured["seed"])
        )
    )


def find_data_hash(run: Run) -> str:
    """Return the SHA-256 of the evaluation file of a run; empty if there was none.

    Raises
    ------
    InfluenceError
        If its provenance does not tell.
    """
    return _facts(lambda: str(run.info["measured"]["data"]["sha256"] or ""))


def tabled_conditions(run: Run, found: Iterable[Condition]) -> list[Condition]:
    """List those of some conditions that mute one site, in the order of a run's table."""
    order = run.influence[["mute", "source"]].drop_duplicates().itertuples(index=False)
    known = set(found)
    muted = [Condition(str(mute), frozenset({str(source)})) for mute, source in order]
    return [condition for condition in muted if condition in known]


def _facts(take: Callable[[], T]) -> T:
    """Take something out of run.json, which may hold anything."""
    try:
        return take()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InfluenceError(
            f"run.json: expected what influence measure writes, got {type(error).__name__}: "
            f"{error}. Measure again"
        ) from error


def _known(metrics: Sequence[Wanted]) -> Mapping[str, Metric]:
    """Return the metrics that may be computed from rows, by name."""
    if not metrics:
        return METRICS
    if stateful := find_stateful(metrics):
        raise InfluenceError(
            f"metric {stateful[0].name!r} keeps its own state and leaves no rows, so nothing can "
            "be computed from them. Name metrics that add up over samples"
        )
    return {metric.name: metric for metric in find_metrics(metrics)}


def _subject(key: str, facts: Any, run: Run, known: Mapping[str, Metric]) -> Subject:
    network, seed, scored = _facts(
        lambda: (str(facts["name"]), facts["seed"], dict(facts["metrics"]))
    )
    if key not in (network, f"{network}-seed{seed}"):
        raise InfluenceError(
            f"rows.h5 holds network {key!r} where run.json tells of {network!r}. Copy the files of "
            "one run"
        )
    own = _of(run.influence, network, seed)
    if own.empty:
        raise InfluenceError(
            f"influence.csv has no row of network {network!r} with seed {seed}, of which run.json "
            "tells. Copy the files of one run"
        )
    metrics = {output: tuple(_pick(names, known, network)) for output, names in scored.items()}
    classes = own[own["level"].str.startswith("class:")].groupby("target", sort=False)["level"]
    return Subject(
        network=network,
        seed=seed,
        dataset=str(own["dataset"].iloc[0]),
        modalities=_facts(lambda: tuple(map(str, facts["sites"]))),
        metrics=metrics,
        classes={
            str(output): [level.removeprefix("class:") for level in levels.unique()]
            for output, levels in classes
        },
        units={output: _unit(own[own["target"] == output], known) for output in metrics},
        checkpoint_sha256=str(own["checkpoint_sha256"].iloc[0]),
    )


def _pick(names: Any, known: Mapping[str, Metric], network: str) -> list[Metric]:
    if known is METRICS and (own := [name for name in names if name not in known]):
        raise InfluenceError(
            f"metric {own[0]!r} of network {network!r} is not one of the library's, and cannot be "
            f"computed from rows unless it can be imported. Give it as --metric module:{own[0]}, "
            "or name the metrics to use, such as --metric "
            + ",".join([name for name in names if name in known] or ["rms"])
        )
    return [known[name] for name in names if name in known]


def _unit(rows: pd.DataFrame, known: Mapping[str, Metric]) -> str:
    """Find the unit of a ground truth in the units of the metrics that contain it."""
    for name, unit in rows[["metric", "unit"]].drop_duplicates().itertuples(index=False):
        if name in known and "{unit}" in known[name].unit:
            before, _, after = known[name].unit.partition("{unit}")
            return str(unit or "").removeprefix(before).removesuffix(after)
    return ""


def _check(rows: Rows, subject: Subject, influence: pd.DataFrame) -> None:
    """Compute every omega of the table from the rows, and compare."""
    once = Resampling(draws=1)
    found = influence_frame(once.sums(rows), subject, once)
    keys = ["mute", "source", "target", "metric", "level"]
    if found.empty:
        return
    both = found.merge(_of(influence, subject.network, subject.seed), on=keys, how="left")
    close = np.isclose(both["omega_x"], both["omega_y"], rtol=1e-6, atol=1e-9, equal_nan=True)
    if not close.all():
        first = both[~close].iloc[0]
        raise InfluenceError(
            f"network {subject.network!r}, {first['source']} → {first['target']}, "
            f"{first['metric']} ({first['level']}), mute {first['mute']}: omega is "
            f"{first['omega_x']:g} by rows.h5 and {first['omega_y']:g} by influence.csv. Copy the "
            "files of one run, or give the metric that was measured"
        )


def _of(frame: pd.DataFrame, network: str, seed: Any) -> pd.DataFrame:
    """Return the rows of one network and seed."""
    own = frame[frame["network"] == network]
    return own[own["seed"].isna() if seed is None else own["seed"] == seed]
