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
from itertools import zip_longest
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor
from torch.nn import functional as F

from influence.data.dataset import EvaluationSet
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

    @cached_property
    def follows(self) -> Indices:
        """For each sample its partner: the sample whose input it gets."""
        found = np.empty(sum(map(len, self.cycles)), dtype=np.int64)
        for cycle in self.cycles:
            found[cycle] = np.roll(cycle, -1)
        return found

    @cached_property
    def starts(self) -> Indices:
        """For each sample the first sample on its cycle."""
        found = np.empty_like(self.follows)
        for cycle in self.cycles:
            found[cycle] = cycle[0]
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
        batches: list[Indices] = []
        whole: list[Indices] = []
        for cycle in self.cycles:
            if sum(map(len, whole)) + len(cycle) > size and whole:
                batches.append(np.concatenate(whole))
                whole = []
            if len(cycle) > size:
                batches += [cycle[i : i + size] for i in range(0, len(cycle), size)]
            else:
                whole.append(cycle)
        return [*batches, np.concatenate(whole)] if whole else batches

    def partners(self, batch: Indices) -> Indices | None:
        """Return the positions in a batch of the partners of all its samples but the last.

        `None` if the partner of each is the next one in the batch.
        """
        position = {int(sample): i for i, sample in enumerate(batch)}
        found = np.array([position[int(s)] for s in self.follows[batch[:-1]]], dtype=np.int64)
        return None if (found == np.arange(1, len(batch))).all() else found


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
    members: dict[int, list[int]] = {}
    for sample in order.tolist():
        members.setdefault(sample if groups is None else int(groups[sample]), []).append(sample)
    return _exchange(sorted(members.values(), key=len))


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


def _exchange(sets: Sequence[Sequence[int]]) -> Derangement:
    """Let sets of samples exchange their inputs two by two, and the last three if one remains."""
    cycles: list[list[int]] = []
    for i in range(0, max(len(sets) - 1, 1), 2):
        together = sets[i:] if i + 3 >= len(sets) else sets[i : i + 2]
        first = len(cycles)
        for column in zip_longest(*together):
            cycle = [sample for sample in column if sample is not None]
            if len(cycle) > 1 or len(cycles) == first:
                cycles.append(cycle)
            else:
                cycles[-1] += cycle
    return Derangement(tuple(np.array(cycle, dtype=np.int64) for cycle in cycles))


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
        return Derangement(_group_cycles(data, order))
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


def _group_cycles(data: EvaluationSet, order: Indices) -> tuple[Indices, ...]:
    """Return one cycle a group, through its samples in the given order."""
    if data.groups is None:
        raise InfluenceError(
            f"mute 'shuffle:groups' replaces an input by that of another sample of the same group, "
            f"and {data.source} has no groups. Write it with groups=..., or take the mute 'shuffle'"
        )
    labels = data.groups[: len(order)].tolist()
    members: dict[Any, list[int]] = {label: [] for label in labels}
    for sample in order.tolist():
        members[labels[sample]].append(sample)
    for label, samples in members.items():
        if len(samples) < 2:
            name = label.decode() if isinstance(label, bytes) else label
            raise InfluenceError(
                f"mute 'shuffle:groups' needs two samples or more in each group: of {data.source}, "
                f"sample {data.ids[samples[0]]!r} is alone in group {name!r}. Leave it out, or "
                "take the mute 'shuffle'"
            )
    return tuple(np.array(samples, dtype=np.int64) for samples in members.values())


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
    return _exchange(sets)


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
