"""Tabulation: from what came of the networks to the tables of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from influence.analysis.distance import distance_frame
from influence.analysis.interactions import interactions_frame
from influence.analysis.omega import adjusted, influence_frame, performance_frame, samples_frame
from influence.analysis.stateful import influence_scores, interaction_scores, performance_scores
from influence.analysis.subject import Subject
from influence.engine.evaluation import Evaluation
from influence.results.tables import COLUMNS, empty_table, typed
from influence.statistics.bootstrap import Resampling, group_sums
from influence.statistics.rows import Rows
from influence.statistics.sums import Sums

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
    """Compute the tables of a run, by the names of `influence.results.run.Run`.

    Parameters
    ----------
    evaluations, subjects
        What came of each network, and what it is about.
    resampling
        How intervals and p-values are computed; sums that are streamed have been drawn by it.
    groups
        The levels of the groups whose samples are tabulated alone; there are none of a stream.
    interactions
        Whether sites are also tabulated together.
    """
    parts = [
        _tabulate_one(own, subject, resampling, groups, interactions=interactions)
        for own, subject in zip(evaluations, subjects, strict=True)
    ]
    return {name: _stack(name, [frame for own in parts for frame in own[name]]) for name in COLUMNS}


def _tabulate_one(
    found: Evaluation[Kept],
    subject: Subject,
    resampling: Resampling,
    groups: Sequence[str],
    *,
    interactions: bool,
) -> Frames:
    frames: Frames = defaultdict(list)
    for level, sums in _levels(found.kept, groups, resampling):
        frames["influence"].append(influence_frame(sums, subject, resampling, level=level))
        frames["performance"].append(performance_frame(sums, subject, resampling, level=level))
        if interactions:
            frame = interactions_frame(sums, subject, resampling, level=level)
            frames["interactions"].append(frame)
    # The groups belong to the family of the finer levels.
    frames["influence"] = [adjusted(_stack("influence", frames["influence"]))]
    about: Any = {"n": found.n, "confidence": resampling.confidence}
    frames["influence"].append(influence_scores(found.stateful, subject, **about))
    frames["performance"].append(performance_scores(found.stateful, subject, **about))
    if interactions:
        about["seed"] = resampling.seed
        frames["interactions"].append(interaction_scores(found.stateful, subject, **about))
    if isinstance(found.kept, Rows):
        frames["samples"].append(samples_frame(found.kept, subject))
    frames["distance"].append(distance_frame(found.features, subject))
    return frames


def _levels(
    kept: Kept, groups: Sequence[str], resampling: Resampling
) -> Iterator[tuple[str, Sums]]:
    """Yield the sums of all samples, then those of each group."""
    if isinstance(kept, Sums):
        yield "all", kept
    else:
        yield "all", resampling.sums(kept)
        yield from group_sums(kept, groups, resampling)


def _stack(name: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not frames:
        return empty_table(name)
    # A network without a row, such as of samples, is passed over, unless none has any.
    return typed(pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True))
