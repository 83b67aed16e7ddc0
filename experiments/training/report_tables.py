"""The tables of a study that are committed: what pages show of a run, and the losses."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.publishing.files import write_csv
from influence.errors import InfluenceError
from influence.runtime.files import replace_on_success

__all__ = ["METRICS", "TABLES", "gather_losses", "publish_run", "published_rows"]

TABLES = ("influence", "performance", "interactions", "distance")
METRICS = ("sqr_rel", "mean_iou")
"""The metrics that slices and interactions are published of: those of the paper's influence."""


def published_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of a table that a README or a page shows; all rows are ten times as many.

    What is over all samples is kept in every metric. Slices (by class, depth or region) are kept
    of the paper's metrics, and only of influences across modalities; performance with nothing
    muted; interactions of the paper's metrics over all samples.

    Parameters
    ----------
    table
        A table with the columns of ``influence.csv``, ``performance.csv``, ``interactions.csv``
        or ``distance.csv``; the last is kept whole.
    """
    if "level" not in table:
        return table
    of_paper, everywhere = table["metric"].isin(METRICS), table["level"] == "all"
    if "kind" in table:
        return table[of_paper & everywhere]
    if "setup" in table:
        return table[(table["mute"] == "none") & (everywhere | of_paper)]
    return table[everywhere | (of_paper & (table["source"] != table["target"]))]


def publish_run(run: Path, folder: Path) -> Iterator[Path]:
    """Write the published rows of a run, each as it stands there, and the run's facts.

    Parameters
    ----------
    run
        What `influence measure` wrote.
    folder
        Where the tables and ``run.json`` go.

    Yields
    ------
    Path
        Each file that was written.

    Raises
    ------
    InfluenceError
        If there is no run.
    """
    if not (run / "run.json").is_file():
        raise InfluenceError(f"expected a run in {run}, found no run.json there. Measure first")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (run / f"{name}.csv" for name in TABLES):
        if path.is_file():
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            with replace_on_success(folder / path.name) as aside:
                published_rows(table).to_csv(aside, index=False, lineterminator="\n")
            yield folder / path.name
    with replace_on_success(folder / "run.json") as aside:
        shutil.copyfile(run / "run.json", aside)
    yield folder / "run.json"


LOSSES = ("train_loss", "held_out_loss")


def gather_losses(
    path: Path, runs: Iterable[tuple[Mapping[str, Any], Path]], losses: Iterable[str] = LOSSES
) -> Path:
    """Put the losses of trainings together; those that were not run here keep their rows.

    Parameters
    ----------
    path
        The table.
    runs
        What tells a training apart, such as its `network` and `seed`, and its folder.
    losses
        The columns of losses that are kept.
    """
    kept = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    frames, columns = [], ["network", "epoch", *losses]
    for labels, folder in runs:
        columns = [*labels, "epoch", *losses]
        if (folder / "history.csv").is_file():
            frames.append(pd.read_csv(folder / "history.csv").assign(**labels)[columns])
        elif len(kept):
            own = (kept[list(labels)] == pd.Series(labels)).all(axis=1)
            frames.append(kept.loc[own, columns])
    present = [frame for frame in frames if len(frame)] or [pd.DataFrame(columns=columns)]
    return write_csv(pd.concat(present, ignore_index=True), path, digits=6)
