"""From the runs to the tables that are published: all networks in one, and pairs compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from experiments.networks.measuring import run_folder, sources_of
from experiments.networks.study import NetworkStudy
from influence.comparison import compare
from influence.errors import InfluenceError
from influence.files import replace_on_success
from influence.results import Run, read_run, read_table

__all__ = ["gather_comparisons", "gather_history", "gather_tables"]

TABLES = ("influence", "performance", "distance")


def gather_tables(study: NetworkStudy) -> Iterator[Path]:
    """Put the tables of all runs together, networks in the order of the configuration files.

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
        present = [folder for folder in folders if (folder / f"{name}.csv").is_file()]
        frames = [read_table(folder / f"{name}.csv", name) for folder in present]
        yield _write(pd.concat(frames, ignore_index=True), study.reports / f"{name}.csv")


def gather_comparisons(study: NetworkStudy) -> Path:
    """Compare each network with that which its plan names, on each source of the depth.

    A is the network that the plan names: the joint one, of a twin. A single-task twin needs no
    depth, and is compared with the joint network under every source.
    """
    frames = []
    for name, plan in study.plans.items():
        if plan.compared_with:
            runs = {name: _read(study, name) for name in (name, plan.compared_with)}
            theirs, own = runs[plan.compared_with], runs[name]
            for source, run in theirs.items():
                other = own.get(source, own["true"])
                found = compare(run, other, pairs=[(plan.compared_with, name)])
                found = found[found["quantity"] == "performance"]
                frames.append(found)
    return _write(pd.concat(frames, ignore_index=True), study.reports / "comparison.csv")


def gather_history(study: NetworkStudy) -> Path:
    """Put the losses of all epochs together."""
    frames = [
        pd.read_csv(study.folder(name) / "history.csv").assign(network=name)
        for name in study.plans
        if (study.folder(name) / "history.csv").is_file()
    ]
    table = pd.concat(frames, ignore_index=True)
    return _write(table[["network", "epoch", "train_loss"]], study.reports / "training.csv")


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


def _write(table: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        table.to_csv(aside, index=False, float_format="%.8g", lineterminator="\n")
    return path
