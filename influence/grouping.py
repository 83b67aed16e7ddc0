"""Grouping: results for the samples of each group alone, such as the frames of one scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence.batch_stream import BatchStream
from influence.bootstrap import Resampling
from influence.errors import InfluenceError
from influence.evaluation_set import EvaluationSet
from influence.rows import Rows
from influence.sums import Sums

__all__ = ["find_groups", "group_sums", "name_groups", "rows_of_group"]


def find_groups(data: EvaluationSet | BatchStream, count: int | None, *, stream: bool) -> list[str]:
    """Return the levels of the groups of the first samples.

    Raises
    ------
    InfluenceError
        If the samples have no groups, or are streamed: that keeps no rows.
    """
    if stream or isinstance(data, BatchStream):
        raise InfluenceError(
            "results by group need the rows of every sample, and a stream keeps none. Leave out "
            "the level 'group', or measure without streaming"
        )
    if data.groups is None:
        raise InfluenceError(
            f"{data.source} says of no sample to which group it belongs. Leave out the level "
            "'group', or write the file with groups=..."
        )
    return name_groups(data.groups[:count])


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
    """Yield the level and the sums of each group, one after the other: they take memory.

    Within a group the samples are drawn one by one, for it is the only group there is: an interval
    says what other samples of this group would give, and one sample has none.

    Parameters
    ----------
    rows
        Of all samples.
    levels
        As from `name_groups`, for the groups in the order of their numbers.
    resampling
        How they are drawn.
    """
    for number, level in enumerate(levels):
        yield level, resampling.sums(rows_of_group(rows, number))
