"""Stored runs: the subjects and the resampling of a run, recovered from its tables and run.json.

To compute anything from the rows of a run, the metrics, names and units of its networks are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from influence.analysis.omega import Subject, influence_frame
from influence.errors import InfluenceError, unknown
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS, Wanted, find_metrics, find_stateful, of_rows
from influence.plan.setups import Condition
from influence.results.run_directory import Run
from influence.runtime.reading.records import Record, read_record
from influence.statistics.bootstrap import LEAST, Resampling
from influence.statistics.rows import Rows

__all__ = ["MeasuredRecord", "find_subjects", "of_network", "read_measured", "tabled_conditions"]

MOST_DRAWS = 10**6
"""More draws are refused, because a damaged file could ask for any amount of memory."""


class NetworkRecord(Record, extra="ignore"):
    """A network in ``run.json``, with its sites and the metrics of each output."""

    name: str
    seed: int | None
    sha256: str = ""
    sites: list[str]
    metrics: dict[str, list[str]]


class DataRecord(Record, extra="ignore"):
    """The data in ``run.json``: the hash of an evaluation file, and the number of samples."""

    sha256: str | None
    n: int | None = None


class MeasuredRecord(Record, extra="ignore"):
    """The part ``measured`` of ``run.json`` that is needed to compute results."""

    networks: list[NetworkRecord]
    data: DataRecord
    draws: int = Field(ge=1, le=MOST_DRAWS)
    confidence: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)

    @property
    def resampling(self) -> Resampling:
        """The resampling from which the intervals of the run were computed."""
        return Resampling(self.draws, self.confidence, self.seed)


def read_measured(run: Run, source: str = "run.json") -> MeasuredRecord:
    """Read how a run was measured, from the content of ``run.json``.

    Parameters
    ----------
    run
        A run; the content of `Run.info` is not trusted.
    source
        The name of the file, for error messages.

    Raises
    ------
    InfluenceError
        If a part is missing, or has a value that no run can have.
    """
    content = run.info.get("measured")
    return read_record(MeasuredRecord, content, f"{source}: measured", "Measure again")


def find_subjects(run: Run, metrics: Sequence[Wanted] = ()) -> dict[str, Subject]:
    """Recover the subject of each network of a run, by the names in `Run.rows`.

    Every omega is computed again from the rows and compared with the run's table, so that a mixture
    of files of different runs is noticed.

    Parameters
    ----------
    run
        A run with its rows: as `measure` returns it, or from ``read_run(directory, rows=True)``.
    metrics
        The metrics to keep: names of the library's metrics, ``module:name`` of others, or records.
        By default all metrics of the run, all of which must then be the library's.

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
    networks = read_measured(run).networks
    if len(networks) != len(run.rows):
        raise InfluenceError(
            f"run.json names {len(networks)} networks and rows.h5 has {len(run.rows)}. Copy the "
            "files of one run"
        )
    known = _known(metrics)
    subjects = {
        key: _subject(key, network, run, known)
        for key, network in zip(run.rows, networks, strict=True)
    }
    found = {metric.name for subject in subjects.values() for _, metric in subject.scored()}
    if lost := [name for name in known if metrics and name not in found]:
        raise unknown("metric of this run", lost[0], found | set(run.influence["metric"]))
    for key, subject in subjects.items():
        _check(run.rows[key], subject, run.influence)
    return subjects


def tabled_conditions(run: Run, found: Iterable[Condition]) -> list[Condition]:
    """Return those of some conditions that mute one site, in the order of the run's table."""
    order = run.influence[["mute", "source"]].drop_duplicates().itertuples(index=False)
    known = set(found)
    muted = [Condition(str(mute), frozenset({str(source)})) for mute, source in order]
    return [condition for condition in muted if condition in known]


def _known(metrics: Sequence[Wanted]) -> Mapping[str, Metric]:
    """Return the metrics that may be computed from rows, by name."""
    if not metrics:
        return METRICS
    if stateful := find_stateful(metrics):
        raise InfluenceError(
            f"metric {stateful[0].name!r} keeps its own state and no rows, so it cannot be "
            "computed from rows. Name metrics that add up over samples"
        )
    return {metric.name: metric for metric in find_metrics(metrics)}


def _subject(key: str, network: NetworkRecord, run: Run, known: Mapping[str, Metric]) -> Subject:
    name, seed = network.name, network.seed
    if key not in (name, f"{name}-seed{seed}"):
        raise InfluenceError(
            f"rows.h5 holds network {key!r} where run.json names {name!r}. Copy the files of one "
            "run"
        )
    table = of_network(run.influence, name, seed)
    if table.empty:
        raise InfluenceError(
            f"influence.csv has no row of network {name!r} with seed {seed}, which run.json names. "
            "Copy the files of one run"
        )
    classes = table[table["level"].str.startswith("class:")].groupby("target", sort=False)["level"]
    return Subject(
        network=name,
        seed=seed,
        dataset=str(table["dataset"].iloc[0]),
        modalities=tuple(network.sites),
        metrics={
            output: [
                of_rows(metric, _statistics(run.rows[key], output))
                for metric in _pick(names, known, name)
            ]
            for output, names in network.metrics.items()
        },
        classes={
            str(output): [level.removeprefix("class:") for level in levels.unique()]
            for output, levels in classes
        },
        units={
            output: _unit(table[table["target"] == output], known) for output in network.metrics
        },
        checkpoint_sha256=str(table["checkpoint_sha256"].iloc[0]),
    )


def _statistics(rows: Rows, output: str) -> set[str]:
    return {key.statistic for key in rows.values if key.output == output}


def _pick(names: Sequence[str], known: Mapping[str, Metric], network: str) -> list[Metric]:
    foreign = [name for name in names if name not in known]
    if known is METRICS and foreign:
        library = [name for name in names if name in known] or ["rms"]
        raise InfluenceError(
            f"metric {foreign[0]!r} of network {network!r} is not one of the library's, so it has "
            f"to be imported. Give metrics=['module:{foreign[0]}'] with the name of its module, or "
            f"name the metrics to use, such as metrics={library}"
        )
    return [known[name] for name in names if name in known]


def _unit(rows: pd.DataFrame, known: Mapping[str, Metric]) -> str:
    """Infer the unit of the ground truth from the units of metrics that contain it."""
    for name, unit in rows[["metric", "unit"]].drop_duplicates().itertuples(index=False):
        if name in known and "{unit}" in known[name].unit:
            before, _, after = known[name].unit.partition("{unit}")
            return str(unit or "").removeprefix(before).removesuffix(after)
    return ""


def _check(rows: Rows, subject: Subject, influence: pd.DataFrame) -> None:
    """Check that every omega computed from the rows equals that of the table."""
    found = influence_frame(LEAST.sums(rows), subject, LEAST)
    keys = ["mute", "source", "target", "metric", "level"]
    if found.empty:
        return
    table = of_network(influence, subject.network, subject.seed)
    both = found.merge(table, on=keys, how="left")
    close = np.isclose(both["omega_x"], both["omega_y"], rtol=1e-6, atol=1e-9, equal_nan=True)
    if not close.all():
        first = both[~close].iloc[0]
        raise InfluenceError(
            f"network {subject.network!r}, {first['source']} → {first['target']}, "
            f"{first['metric']} ({first['level']}), mute {first['mute']}: omega is "
            f"{first['omega_x']:g} by rows.h5 and {first['omega_y']:g} by influence.csv. Copy the "
            "files of one run, or give the metric that was measured"
        )


def of_network(frame: pd.DataFrame, network: str, seed: int | None) -> pd.DataFrame:
    """Return the rows of one network and seed."""
    named = frame[frame["network"] == network]
    return named[named["seed"].isna() if seed is None else named["seed"] == seed]
