"""Tabulation: the tables of a run, computed from the evaluations of its networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd

from influence.analysis.distance import distance_frame
from influence.analysis.interactions import interactions_frame
from influence.analysis.omega import (
    Subject,
    adjust_p_values,
    influence_frame,
    performance_frame,
    samples_frame,
)
from influence.engine.evaluation import Evaluation
from influence.results.tables import COLUMNS, empty_table, typed
from influence.statistics.bootstrap import Resampling, rows_of_group
from influence.statistics.rows import Rows, Sums

__all__ = ["tabulate"]

Kept = Rows | Sums
Frames = dict[str, list[pd.DataFrame]]


def tabulate(
    evaluations: Sequence[Evaluation[Kept]],
    subjects: Sequence[Subject],
    resampling: Resampling,
    *,
    groups: Sequence[str] = (),
    interactions: bool = False,
) -> dict[str, pd.DataFrame]:
    """Compute the tables of a run, by the names of the fields of
    `influence.results.run_directory.Run`.

    Parameters
    ----------
    evaluations, subjects
        The evaluation of each network, with its names, units and classes for the tables.
    resampling
        How intervals and p-values are computed. Running sums must have been drawn with it.
    groups
        The levels of groups whose samples are tabulated separately; empty for a stream.
    interactions
        Whether to compute the table of interactions.
    """
    parts = [
        _tabulate_one(own, subject, resampling, groups, interactions=interactions)
        for own, subject in zip(evaluations, subjects, strict=True)
    ]
    found = {name: [frame for own in parts for frame in own[name]] for name in COLUMNS}
    # Samples have their types: to convert their columns again would take as long as to make them.
    return {
        name: _join(name, frames) if name == "samples" else typed(_join(name, frames))
        for name, frames in found.items()
    }


def _tabulate_one(
    found: Evaluation[Kept],
    subject: Subject,
    resampling: Resampling,
    groups: Sequence[str],
    *,
    interactions: bool,
) -> Frames:
    frames: Frames = defaultdict(list)
    for level, sums in _levels(found, groups, resampling):
        frames["influence"].append(influence_frame(sums, subject, resampling, level=level))
        frames["performance"].append(performance_frame(sums, subject, resampling, level=level))
        if interactions:
            frame = interactions_frame(sums, subject, resampling, level=level)
            frames["interactions"].append(frame)
    # Groups belong to the family of tests at finer levels.
    frames["influence"] = [adjust_p_values(typed(_join("influence", frames["influence"])))]
    if isinstance(found.kept, Rows):
        frames["samples"].append(samples_frame(found.kept, subject))
    frames["distance"].append(distance_frame(found.features, subject))
    return frames


def _levels(
    found: Evaluation[Kept], groups: Sequence[str], resampling: Resampling
) -> Iterator[tuple[str, Sums]]:
    """Yield the sums of all samples and of each group, then the values that are not resampled."""
    if isinstance(found.kept, Sums):
        yield "all", found.kept
    else:
        yield "all", resampling.sums(found.kept)
        for number, level in enumerate(groups):
            yield level, resampling.sums(rows_of_group(found.kept, number))
    yield "all", Sums.of_values(found.stateful, found.n)


def _join(name: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the frames of one table; networks without rows are left out, unless none has any."""
    chosen = [frame for frame in frames if len(frame)] or list(frames[:1])
    if len(chosen) < 2:
        return chosen[0] if chosen else empty_table(name)
    return pd.concat(chosen, ignore_index=True)
