"""Derangements: whose input each sample is shown under a shuffle mute, and how samples are read.

A sample gets the input of the one that follows it on its cycle. Reading along the cycles means that
every sample is read once, and that only one sample beside each batch is needed.

Under a shuffle the rows of two samples are not independent where one is shown the other's input:
along one cycle through all samples each is tied to the next. So samples exchange their inputs in
pairs, and whole pairs are drawn (`Derangement.units`): between them nothing is shared. Where inputs
tell nothing, rows before and after the exchange are exchangeable, and the test is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from influence.data.dataset import EvaluationSet
from influence.data.neighbours import describe_inputs, near_tour
from influence.errors import InfluenceError
from influence.runtime.processes import Processes
from influence.runtime.shards import ShardStore

__all__ = [
    "Derangement",
    "agree_on_derangement",
    "cyclic_order",
    "derange",
    "near_groups",
    "pair_up",
]


Positions = NDArray[np.int64]

MOST_NEIGHBOURS = 20_000
"""Of more samples than this, all distances take too long."""


@dataclass(frozen=True)
class Derangement:
    """Cycles through samples: nobody is shown its own input.

    Parameters
    ----------
    cycles
        Positions of two samples or more each, every sample on one cycle.

    Examples
    --------
    >>> found = Derangement((np.array([2, 0]), np.array([1, 4, 3])))
    >>> found.follows.tolist()
    [2, 4, 0, 1, 3]
    >>> [batch.tolist() for batch in found.cut(3)]
    [[2, 0], [1, 4, 3]]
    """

    cycles: tuple[Positions, ...]

    @cached_property
    def follows(self) -> Positions:
        """For each sample, by its position, the sample whose input it is shown."""
        found = np.empty(sum(map(len, self.cycles)), dtype=np.int64)
        for cycle in self.cycles:
            found[cycle] = np.roll(cycle, -1)
        return found

    @cached_property
    def starts(self) -> Positions:
        """For each sample, by its position, the first one on its cycle."""
        found = np.empty_like(self.follows)
        for cycle in self.cycles:
            found[cycle] = cycle[0]
        return found

    def units(self, groups: Positions) -> Positions:
        """Number what samples have to be drawn with: all that a cycle or a group ties to them.

        Parameters
        ----------
        groups
            For each sample the number of its group.

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

    def cut(self, size: int) -> list[Positions]:
        """Cut the samples into batches, such that all partners but that of the last one are inside.

        A batch holds whole cycles, or a part of one that is longer than a batch.
        """
        batches: list[Positions] = []
        whole: list[Positions] = []
        for cycle in self.cycles:
            if sum(map(len, whole)) + len(cycle) > size and whole:
                batches.append(np.concatenate(whole))
                whole = []
            if len(cycle) > size:
                batches += [cycle[i : i + size] for i in range(0, len(cycle), size)]
            else:
                whole.append(cycle)
        return [*batches, np.concatenate(whole)] if whole else batches

    def partners(self, batch: Positions) -> Positions | None:
        """Return where in a batch the partners of its samples are, the last one's left out.

        `None` if each has the next one in the batch.
        """
        place = {int(sample): i for i, sample in enumerate(batch)}
        found = np.array([place[int(s)] for s in self.follows[batch[:-1]]], dtype=np.int64)
        return None if (found == np.arange(1, len(batch))).all() else found


def pair_up(order: Positions, groups: Positions | None = None) -> Derangement:
    """Let samples exchange their inputs in pairs, and the last three in a ring if one is left.

    Groups exchange as a whole, each with one of about its size: as far as that goes, nobody is
    shown an input of its own group.

    Parameters
    ----------
    order
        All samples, in random order.
    groups
        For each sample the number of its group; each its own by default.

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


def _exchange(sets: Sequence[Sequence[int]]) -> Derangement:
    """Let sets of samples exchange their inputs two by two, and the last three if one is left."""
    cycles: list[list[int]] = []
    for place in range(0, max(len(sets) - 1, 1), 2):
        together = sets[place:] if place + 3 >= len(sets) else sets[place : place + 2]
        first = len(cycles)
        for column in zip_longest(*together):
            ring = [sample for sample in column if sample is not None]
            if len(ring) > 1 or len(cycles) == first:
                cycles.append(ring)
            else:
                cycles[-1] += ring
    return Derangement(tuple(np.array(cycle, dtype=np.int64) for cycle in cycles))


def derange(
    mute: str, data: EvaluationSet, count: int, *, names: Sequence[str], seed: int
) -> Derangement:
    """Draw whose input each sample is shown.

    Parameters
    ----------
    mute
        ``shuffle``, ``shuffle:groups`` or ``shuffle:neighbours``.
    data, count
        The samples, of which the first ones are used.
    names
        The inputs by which samples are near or far.
    seed
        The run's seed.

    Raises
    ------
    InfluenceError
        If there are too few samples, or too many for all distances, no groups, or a group of one.
    """
    order = cyclic_order(count, seed)
    if mute == "shuffle:groups":
        return Derangement(_group_cycles(data, order))
    if mute != "shuffle:neighbours":
        if data.groups is None:
            return pair_up(order)
        return pair_up(order, np.unique(data.groups[:count], return_inverse=True)[1])
    if count > MOST_NEIGHBOURS:
        raise InfluenceError(
            f"mute {mute!r} compares all samples, {MOST_NEIGHBOURS} at most, got {count}. Set a "
            "limit, or take 'shuffle' or 'shuffle:groups'"
        )
    points = describe_inputs(data, names, count)
    groups = None if data.groups is None else np.unique(data.groups[:count], return_inverse=True)[1]
    if groups is None or groups.max() == 0:
        return pair_up(near_tour(points, int(order[0])))
    return near_groups(points, groups, order)


def near_groups(points: NDArray[np.float32], groups: Positions, order: Positions) -> Derangement:
    """Let groups exchange their inputs with a group that is near, sample by near sample.

    Neighbours wherever they are would tie each group to several others, until all are one.

    Parameters
    ----------
    points
        (samples, numbers).
    groups
        For each sample the number of its group: 0, 1, ...
    order
        All samples in random order; the first one's group is where the tour of groups begins.

    Examples
    --------
    >>> points = np.array([[0.0], [9.0], [1.1], [10.2], [1.2], [10.1], [0.1], [9.1]], np.float32)
    >>> groups = np.array([0, 1, 2, 3, 2, 3, 0, 1])
    >>> [cycle.tolist() for cycle in near_groups(points, groups, np.arange(8)).cycles]
    [[0, 2], [6, 4], [1, 5], [7, 3]]
    """
    members = [order[groups[order] == number] for number in range(int(groups.max()) + 1)]
    means = np.stack([points[own].mean(0) for own in members])
    sets: list[list[int]] = []
    for place, group in enumerate(near_tour(means, int(groups[order[0]])).tolist()):
        second = place % 2 == 1 or place == len(members) - 1  # or the third of the last
        sets.append(_nearest_first(points, members[group].tolist(), sets[-1] if second else []))
    return _exchange(sets)


def _nearest_first(
    points: NDArray[np.float32], samples: Sequence[int], partners: Sequence[int]
) -> list[int]:
    """Order samples such that each is near to the partner on its place."""
    left = sorted(samples)
    found = []
    for partner in partners[: len(left)]:
        apart = np.square(points[left] - points[partner]).sum(1)
        found.append(left.pop(int(np.argmin(apart))))
    return found + left


def agree_on_derangement(
    data: EvaluationSet,
    count: int,
    mute: str | None,
    *,
    names: Sequence[str],
    seed: int,
    shards: ShardStore | None = None,
    processes: Processes | None = None,
) -> Derangement | None:
    """Draw a derangement that is the same in all processes, and in a resumed run.

    Parameters
    ----------
    data, count, mute, names, seed
        As for `derange`; `None` for no shuffle mute.
    shards
        Where a tour of neighbours is kept: distances are rounded otherwise on another machine.
    processes
        The first one makes the tour and tells the others.
    """
    if mute is None:
        return None
    if mute != "shuffle:neighbours":
        return derange(mute, data, count, names=names, seed=seed)
    processes = processes or Processes()
    tour: Any = shards.kept("tour") if shards else None
    if tour is None and processes.first:
        found = derange(mute, data, count, names=names, seed=seed)
        tour = [cycle.tolist() for cycle in found.cycles]
    tour = cast(Any, processes.broadcast(tour))
    if shards and not _covers(tour, count):
        raise InfluenceError(
            f"{shards.folder / 'tour.json'}: expected the cycles in which an interrupted run read "
            f"{count} samples, got something else. Start afresh without --resume"
        )
    if shards and processes.first:
        shards.keep("tour", tour)
    return Derangement(tuple(np.array(cycle, dtype=np.int64) for cycle in tour))


def _covers(cycles: Any, count: int) -> bool:
    """Say whether something that was read are cycles, on one of which every sample is once."""
    try:
        found = sorted(chain.from_iterable(cycles))
        return found == list(range(count)) and all(len(cycle) > 1 for cycle in cycles)
    except TypeError:
        return False


def _group_cycles(data: EvaluationSet, order: Positions) -> tuple[Positions, ...]:
    """Share an order of samples out to their groups."""
    if data.groups is None:
        raise InfluenceError(
            f"mute 'shuffle:groups' shows the input of another sample of the same group, and "
            f"{data.source} has no groups. Write it with groups=..., or take the mute 'shuffle'"
        )
    labels = data.groups[: len(order)].tolist()
    members: dict[Any, list[int]] = {label: [] for label in labels}
    for position in order.tolist():
        members[labels[position]].append(position)
    for label, own in members.items():
        if len(own) < 2:
            name = label.decode() if isinstance(label, bytes) else label
            raise InfluenceError(
                f"mute 'shuffle:groups' needs two samples or more in each group: of {data.source}, "
                f"sample {data.ids[own[0]]!r} is alone in group {name!r}. Leave it out, or take "
                "the mute 'shuffle'"
            )
    return tuple(np.array(own, dtype=np.int64) for own in members.values())


def cyclic_order(count: int, seed: int) -> NDArray[np.int64]:
    """Draw the order of all samples in which `shuffle` pairs them off to exchange their inputs.

    See `influence.data.derangement.pair_up`.

    Raises
    ------
    InfluenceError
        If there are fewer than two samples.

    Examples
    --------
    >>> sorted(cyclic_order(4, seed=0).tolist())
    [0, 1, 2, 3]
    """
    if count < 2:
        raise InfluenceError(f"mute 'shuffle' needs two samples or more, got {count}")
    stream = crc32(b"shuffle")
    return np.random.Generator(np.random.Philox([seed, stream])).permutation(count)
