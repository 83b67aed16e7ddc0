"""From the runs to the tables that are published: all networks in one, and pairs compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from experiments.networks.measuring import run_folder, sources_of
from experiments.networks.study import NetworkStudy
from experiments.publishing.files import write_csv
from experiments.training.report_tables import TABLES, gather_histories, published_rows
from influence.analysis.comparison import COMPARISON_COLUMNS, compare
from influence.errors import InfluenceError
from influence.results.run import Run, read_run
from influence.results.tables import read_table

__all__ = ["gather_comparisons", "gather_history", "gather_tables"]


def gather_tables(study: NetworkStudy) -> Iterator[Path]:
    """Put the published rows of all runs together, in the order of the configuration files.

    Raises
    ------
    InfluenceError
        If a network has not been measured.
    """
    folders = [*_trivial_folders(study), *(folder for _, folder in _runs(study))]
    for folder in folders:
        if not (folder / "run.json").is_file():
            raise InfluenceError(
                f"{folder.name} is not measured: expected {folder / 'run.json'}. Run "
                "`python -m experiments.networks measure` first"
            )
    for name in TABLES:
        paths = [folder / f"{name}.csv" for folder in folders]
        frames = [read_table(path, name) for path in paths if path.is_file()]
        if frames:  # no network needs to have distances
            table = published_rows(pd.concat(frames, ignore_index=True))
            yield write_csv(table, study.reports / f"{name}.csv", digits=8)


def gather_comparisons(study: NetworkStudy) -> Path:
    """Compare each network with that which its plan names, on each source of the depth.

    A is the network that the plan names: the joint one, of a twin. A single-task twin needs no
    depth, and is compared with the joint network under every source.
    """
    frames = []
    for name, plan in study.plans.items():
        if plan.compared_with:
            theirs, own = _read(study, plan.compared_with), _read(study, name)
            for source, run in theirs.items():
                other = own.get(source, own["true"])
                found = compare(run, other, pairs=[(plan.compared_with, name)])
                frames.append(found[found["quantity"] == "performance"])
    nothing = [pd.DataFrame(columns=list(COMPARISON_COLUMNS))]
    table = pd.concat(frames or nothing, ignore_index=True)
    return write_csv(table, study.reports / "comparison.csv", digits=8)


def gather_history(study: NetworkStudy) -> Path:
    """Put the losses of all epochs together, of networks that were trained here."""
    runs = [({"network": name}, study.folder(name)) for name in study.plans]
    return gather_histories(study.reports / "training.csv", runs, ["train_loss"])


def _runs(study: NetworkStudy) -> Iterator[tuple[str, Path]]:
    for name, plan in study.plans.items():
        for source in sources_of(plan):
            yield source, run_folder(study, name, source)


def _trivial_folders(study: NetworkStudy) -> list[Path]:
    labels = dict.fromkeys(plan.labels for plan in study.plans.values())
    return [run_folder(study, f"trivial-{label}") for label in labels]


def _read(study: NetworkStudy, name: str) -> dict[str, Run]:
    return {
        source: read_run(run_folder(study, name, source), rows=True)
        for source in sources_of(study.plan(name))
    }
