"""Derangements: whose input each sample gets under a shuffle mute, and the order of reading.

Under a shuffle mute no sample keeps its input: it gets that of the sample that follows it on its
cycle. Samples are read along the cycles, so each is read once, and beside a batch only the partner
of its last sample is needed.

The rows of two samples are not independent if one of them gets the other's input. Along one cycle
through all samples, each would depend on the next. So samples exchange their inputs in pairs, and
intervals draw whole pairs (`Derangement.units`), which share nothing. If an input carries no
information, rows before and after the exchange are exchangeable, and the test is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor
from torch.nn import functional as F

from influence.data.dataset import EvaluationSet, group_numbers
from influence.errors import InfluenceError

__all__ = [
    "Derangement",
    "derange",
    "near_groups",
    "near_tour",
    "pair_up",
    "pair_within",
    "pool_inputs",
    "random_order",
]

Indices = NDArray[np.int64]

MOST_NEIGHBOURS = 20_000
"""The most samples between which all distances are computed."""

CELLS = 4
"""Maps are averaged over this many rows and columns of cells before they are compared."""


@dataclass(frozen=True)
class Derangement:
    """A permutation of samples that leaves none where it was, as cycles.

    Parameters
    ----------
    cycles
        Indices of two samples or more each; every sample is on one cycle.

    Examples
    --------
    >>> found = Derangement((np.array([2, 0]), np.array([1, 4, 3])))
    >>> found.follows.tolist()
    [2, 4, 0, 1, 3]
    >>> [batch.tolist() for batch in found.cut(3)]
    [[2, 0], [1, 4, 3]]
    """

    cycles: tuple[Indices, ...]

    @classmethod
    def of_runs(cls, order: Indices, lengths: Indices) -> Derangement:
        """Make the cycles of samples in order: the first `lengths[0]`, the next `lengths[1]`, ...

        >>> [cycle.tolist() for cycle in Derangement.of_runs(np.arange(5), np.array([2, 3])).cycles]
        [[0, 1], [2, 3, 4]]
        """
        ends = np.cumsum(lengths)
        starts = ends - lengths
        return cls(tuple(order[i:j] for i, j in zip(starts.tolist(), ends.tolist(), strict=True)))

    @cached_property
    def order(self) -> Indices:
        """All samples, cycle after cycle."""
        return np.concatenate(self.cycles)

    @cached_property
    def lengths(self) -> Indices:
        """The number of samples on each cycle."""
        return np.fromiter(map(len, self.cycles), np.int64, len(self.cycles))

    @cached_property
    def follows(self) -> Indices:
        """For each sample its partner: the sample whose input it gets."""
        ends = np.cumsum(self.lengths)
        after = np.arange(1, len(self.order) + 1)
        after[ends - 1] = ends - self.lengths  # the last sample of a cycle gets the first one's
        found = np.empty_like(self.order)
        found[self.order] = self.order[after]
        return found

    @cached_property
    def starts(self) -> Indices:
        """For each sample the first sample on its cycle."""
        firsts = self.order[np.cumsum(self.lengths) - self.lengths]
        found = np.empty_like(self.order)
        found[self.order] = np.repeat(firsts, self.lengths)
        return found

    def units(self, groups: Indices) -> Indices:
        """Number the units of resampling: samples that are connected through cycles and groups.

        Parameters
        ----------
        groups
            The number of the group of each sample.

        Examples
        --------
        >>> found = Derangement((np.array([0, 2]), np.array([1, 3]), np.array([4, 5])))
        >>> found.units(np.array([0, 1, 2, 0, 3, 4])).tolist()  # samples 0 and 3 are of one group
        [0, 0, 0, 0, 1, 1]
        """
        count = len(self.follows)
        ends = np.concatenate([self.follows, count + groups])
        size = count + int(groups.max()) + 1
        links = sparse.coo_array(
            (np.ones(len(ends)), (np.tile(np.arange(count), 2), ends)), shape=(size, size)
        )
        _, parts = csgraph.connected_components(links, directed=False)
        return np.asarray(parts[:count], dtype=np.int64)

    def cut(self, size: int) -> list[Indices]:
        """Cut the samples into batches of at most `size`.

        A batch holds whole cycles, or a part of one cycle that is longer than a batch. So it holds
        the partners of all its samples, except that of the last sample in the second case.
        """
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        batches: list[Indices] = []
        start = 0
        while start < len(self.order):
            # Up to the last cycle that ends within a batch.
            whole = int(ends[np.searchsorted(ends, start + size, side="right") - 1])
            if whole > start:
                batches.append(self.order[start:whole])
                start = whole
            else:
                end = int(ends[np.searchsorted(ends, start, side="right")])
                batches += [self.order[i : min(i + size, end)] for i in range(start, end, size)]
                start = end
        return batches

    def partners(self, batch: Indices) -> Indices | None:
        """Return the positions in a batch of the partners of all its samples but the last.

        `None` if the partner of each is the next one in the batch.
        """
        wanted = self.follows[batch[:-1]]
        if np.array_equal(wanted, batch[1:]):
            return None
        order = np.argsort(batch)
        found = order[np.searchsorted(batch, wanted, sorter=order)]
        assert np.array_equal(batch[found], wanted), "a batch holds the partners of its samples"
        return found


def random_order(count: int, seed: int) -> Indices:
    """Draw the order of all samples in which `pair_up` makes pairs of them.

    Raises
    ------
    InfluenceError
        If there are fewer than two samples.

    Examples
    --------
    >>> sorted(random_order(4, seed=0).tolist())
    [0, 1, 2, 3]
    """
    if count < 2:
        raise InfluenceError(f"mute 'shuffle' needs two samples or more, got {count}")
    stream = crc32(b"shuffle")
    return np.random.Generator(np.random.Philox([seed, stream])).permutation(count)


def pair_up(order: Indices, groups: Indices | None = None) -> Derangement:
    """Let samples exchange their inputs in pairs; of an odd number the last three form a cycle.

    Groups are paired as a whole, each with one of similar size. As far as their sizes allow, no
    sample gets an input of its own group.

    Parameters
    ----------
    order
        All samples, in random order.
    groups
        The number of the group of each sample; by default every sample is a group.

    Examples
    --------
    >>> [cycle.tolist() for cycle in pair_up(np.array([3, 0, 4, 1, 2])).cycles]
    [[3, 0], [4, 1, 2]]
    >>> found = pair_up(np.array([3, 0, 4, 1, 2]), np.array([0, 0, 1, 1, 1]))
    >>> [cycle.tolist() for cycle in found.cycles]
    [[0, 3], [1, 4, 2]]
    """
    if groups is None:
        return _exchange(order, np.ones_like(order))
    numbers, _ = pd.factorize(groups[order])  # as they first appear
    lengths = np.bincount(numbers)
    by_size = np.argsort(lengths, kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size))
    return _exchange(order[np.argsort(rank[numbers], kind="stable")], lengths[by_size])


def pair_within(batches: Sequence[Indices], count: int, seed: int) -> Derangement | None:
    """Let samples exchange their inputs in pairs inside each batch, as `pair_up` does.

    Parameters
    ----------
    batches
        The indices of the samples of each batch.
    count
        The number of samples to use, from the start.
    seed
        The run's seed.

    Returns
    -------
    Derangement
        `None` if a batch holds only one sample.

    Examples
    --------
    >>> found = pair_within([np.arange(2), np.arange(2, 5)], 5, seed=0)
    >>> sorted(sorted(cycle.tolist()) for cycle in found.cycles)
    [[0, 1], [2, 3, 4]]
    """
    cut = [batch[batch < count] for batch in batches]
    used = [batch for batch in cut if len(batch)]
    if any(len(batch) < 2 for batch in used):
        return None
    rank = np.argsort(random_order(count, seed))
    cycles = (pair_up(batch[np.argsort(rank[batch])]).cycles for batch in used)
    return Derangement(tuple(cycle for own in cycles for cycle in own))


def _exchange(members: Indices, lengths: Indices) -> Derangement:
    """Let sets of samples exchange their inputs two by two, and the last three if one remains.

    The first of each set form a cycle, the second ones another, and so on. Samples of the largest
    set that are left over join the last cycle.

    Parameters
    ----------
    members
        The samples, set after set.
    lengths
        The number of samples in each set.
    """
    count = len(lengths)
    owner = np.repeat(np.arange(count), lengths)
    column = np.arange(len(members)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    together = np.minimum(np.arange(count) // 2, max(count // 2 - 1, 0))
    # The second largest of the sets that exchange has a partner for each of its samples.
    table = np.zeros((int(together[-1]) + 1, 3), dtype=np.int64)
    table[together, np.arange(count) - 2 * together] = lengths
    last = np.maximum(np.sort(table, axis=1)[:, 1] - 1, 0)
    pair = together[owner]
    order = np.lexsort((owner, column, pair))
    cycle = np.stack([pair, np.minimum(column, last[pair])])[:, order]
    starts = np.flatnonzero(np.any(np.diff(cycle, axis=1, prepend=-1), axis=0))
    return Derangement.of_runs(members[order], np.diff(starts, append=len(members)))


def derange(
    mute: str, data: EvaluationSet, count: int, *, names: Sequence[str], seed: int
) -> Derangement:
    """Draw whose input each sample gets.

    Parameters
    ----------
    mute
        ``shuffle``, ``shuffle:groups`` or ``shuffle:neighbours``.
    data, count
        The samples, of which the first `count` are used.
    names
        The inputs by which the distance of samples is measured.
    seed
        The run's seed.

    Raises
    ------
    InfluenceError
        If there are fewer than two samples, more than `MOST_NEIGHBOURS` for distances, no groups
        for ``shuffle:groups``, a group of one, or no input by which to measure a distance.
    """
    order = random_order(count, seed)
    if mute == "shuffle:groups":
        return _group_cycles(data, order)
    groups = None if data.groups is None else np.unique(data.groups[:count], return_inverse=True)[1]
    if mute != "shuffle:neighbours":
        return pair_up(order, groups)
    if count > MOST_NEIGHBOURS:
        raise InfluenceError(
            f"mute {mute!r} compares all samples, {MOST_NEIGHBOURS} at most, got {count}. Give "
            f"limit={MOST_NEIGHBOURS} or less, or take the mute 'shuffle' or 'shuffle:groups'"
        )
    if not names:
        raise InfluenceError(
            f"mute {mute!r} compares samples by the inputs that are tensors of one shape, and "
            f"{data.source} has none. Take the mute 'shuffle' or 'shuffle:groups'"
        )
    vectors = pool_inputs(data, names, count)
    if groups is None or groups.max() == 0:
        return pair_up(near_tour(vectors, int(order[0])))
    return near_groups(vectors, groups, order)


def _group_cycles(data: EvaluationSet, order: Indices) -> Derangement:
    """Return one cycle a group, through its samples in the given order."""
    if data.groups is None:
        raise InfluenceError(
            f"mute 'shuffle:groups' replaces an input by that of another sample of the same group, "
            f"and {data.source} has no groups. Write it with groups=..., or take the mute 'shuffle'"
        )
    numbers = group_numbers(data.groups[: len(order)], len(order))
    members, lengths = order[np.argsort(numbers[order], kind="stable")], np.bincount(numbers)
    for number in np.flatnonzero(lengths < 2)[:1]:
        sample = int(np.flatnonzero(numbers == number)[0])
        label = data.groups[sample : sample + 1].tolist()[0]
        name = label.decode() if isinstance(label, bytes) else label
        raise InfluenceError(
            f"mute 'shuffle:groups' needs two samples or more in each group: of {data.source}, "
            f"sample {data.ids[sample]!r} is alone in group {name!r}. Leave it out, or take the "
            "mute 'shuffle'"
        )
    return Derangement.of_runs(members, lengths)


def near_groups(vectors: NDArray[np.float32], groups: Indices, order: Indices) -> Derangement:
    """Let each group exchange its inputs with one near group, sample by near sample.

    If each sample was paired with its nearest one of any group, every group would depend on several
    others, and so all would become one unit of resampling.

    Parameters
    ----------
    vectors
        As of `pool_inputs`: (samples, numbers).
    groups
        The number of the group of each sample: 0, 1, ...
    order
        All samples in random order; groups are paired from that of the first sample on.

    Examples
    --------
    >>> vectors = np.array([[0.0], [9.0], [1.1], [10.2], [1.2], [10.1], [0.1], [9.1]], np.float32)
    >>> groups = np.array([0, 1, 2, 3, 2, 3, 0, 1])
    >>> [cycle.tolist() for cycle in near_groups(vectors, groups, np.arange(8)).cycles]
    [[0, 2], [6, 4], [1, 5], [7, 3]]
    """
    members = [order[groups[order] == number] for number in range(int(groups.max()) + 1)]
    means = np.stack([vectors[samples].mean(0) for samples in members])
    sets: list[list[int]] = []
    for i, group in enumerate(near_tour(means, int(groups[order[0]])).tolist()):
        second = i % 2 == 1 or i == len(members) - 1  # or the third of the last three
        partners = sets[-1] if second else []
        sets.append(_nearest_first(vectors, members[group].tolist(), partners))
    return _exchange(np.concatenate(sets), np.array([len(samples) for samples in sets]))


def _nearest_first(
    vectors: NDArray[np.float32], samples: Sequence[int], partners: Sequence[int]
) -> list[int]:
    """Order samples such that each is near to the partner at the same position."""
    left = sorted(samples)
    found = []
    for partner in partners[: len(left)]:
        apart = np.square(vectors[left] - vectors[partner]).sum(1)
        found.append(left.pop(int(np.argmin(apart))))
    return found + left


def near_tour(vectors: NDArray[np.float32], start: int) -> Indices:
    """Order vectors such that each is followed by the nearest one that is left.

    Parameters
    ----------
    vectors
        (vectors, numbers).
    start
        The index of the first one.

    Examples
    --------
    >>> near_tour(np.array([[0.0], [2.1], [1.0], [3.3]], np.float32), start=1).tolist()
    [1, 2, 0, 3]
    """
    squares = np.square(vectors).sum(1)
    tour = np.empty(len(vectors), dtype=np.int64)
    tour[0] = start
    for step in range(1, len(vectors)):
        last = tour[step - 1]
        squares[last] = np.inf  # visited
        tour[step] = np.argmin(squares - 2 * (vectors @ vectors[last]))
    return tour


def pool_inputs(data: EvaluationSet, names: Sequence[str], count: int) -> NDArray[np.float32]:
    """Pool the inputs of samples to vectors, whose distances say how alike samples are.

    Maps are averaged over `CELLS` by `CELLS` cells. Each number is divided by its standard
    deviation over the samples, and each input is given the same weight, whatever its number of
    channels. This reads all inputs once.

    Returns
    -------
    NDArray
        (samples, numbers).
    """
    samples = (data.read(np.array([index])).inputs for index in range(count))
    rows = [[_pool(inputs[name][0]) for name in names] for inputs in samples]
    blocks = []
    for pooled in zip(*rows, strict=True):
        block = np.stack(pooled).astype(np.float64)
        deviation = block.std(0)
        block = (block - block.mean(0)) / np.where(deviation > 0, deviation, 1.0)
        blocks.append(block / np.sqrt(block.shape[1]))
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _pool(values: Tensor) -> NDArray[np.float32]:
    values = values.float().nan_to_num(0.0, 0.0, 0.0)
    if values.ndim < 2:
        return values.reshape(-1).numpy()
    maps = values if values.ndim == 3 else values.reshape(len(values), 1, -1)
    height, width = (min(CELLS, length) for length in maps.shape[1:])
    return F.adaptive_avg_pool2d(maps, (height, width)).reshape(-1).numpy()
