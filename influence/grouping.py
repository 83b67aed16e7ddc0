"""Grouping: results for the samples of each group alone, such as the frames of one scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.bootstrap import Resampling
from influence.omega import Subject, influence_frame, performance_frame
from influence.rows import Rows
from influence.sums import Sums

__all__ = ["group_frames", "group_sums", "name_groups", "rows_of_group"]


def name_groups(labels: NDArray[Any]) -> list[str]:
    """Return the levels of groups in the order of their numbers in `Rows`.

    Parameters
    ----------
    labels
        One a sample.

    Examples
    --------
    >>> name_groups(np.array(["kitchen", "bath", "kitchen"]))
    ['group:kitchen', 'group:bath']
    """
    texts = [x.decode() if isinstance(x, bytes) else str(x) for x in labels.tolist()]
    return [f"group:{text}" for text in dict.fromkeys(texts)]


def rows_of_group(rows: Rows, number: int) -> Rows:
    """Return the rows of the samples of one group, each sample by itself.

    >>> from influence.rows import Condition, RowKey
    >>> key = RowKey(Condition("none", frozenset()), "total", "errors")
    >>> rows = Rows(["a", "b", "c"], np.array([0, 1, 0]), {key: np.arange(3.0)[:, None]})
    >>> rows_of_group(rows, 0).values[key].tolist()
    [[0.0], [2.0]]
    """
    members = np.flatnonzero(rows.groups == number)
    values = {key: found[members] for key, found in rows.values.items() if key.level == "all"}
    return Rows([rows.ids[int(i)] for i in members], np.arange(len(members)), values)


def group_sums(
    rows: Rows, levels: Sequence[str], resampling: Resampling
) -> Iterator[tuple[str, Sums]]:
    """Yield the level and the sums of each group, one after the other: they take memory."""
    for number, level in enumerate(levels):
        yield level, resampling.sums(rows_of_group(rows, number))


def group_frames(
    rows: Rows, levels: Sequence[str], subject: Subject, resampling: Resampling
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Tabulate the influences and the performances in each group.

    Within a group the samples are drawn one by one, for it is the only group there is: an interval
    says what other samples of this group would give, and one sample has none.

    Parameters
    ----------
    rows
        Of all samples.
    levels
        As from `name_groups`, for the groups in the order of their numbers.
    subject, resampling
        What they are about, and how they are drawn.
    """
    influence, performance = [], []
    for level, sums in group_sums(rows, levels, resampling):
        influence.append(influence_frame(sums, subject, resampling, level=level))
        performance.append(performance_frame(sums, subject, resampling, level=level))
    return influence, performance
