"""Histories: the losses of all epochs of several trainings in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.publishing.files import write_csv

__all__ = ["gather_histories"]

LOSSES = ("train_loss", "held_out_loss")


def gather_histories(
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
