"""Slices: the places of an output divided by a ground truth, such as by how far away they are.

A slice is scored by the same statistics as the whole, on a truth that is ignored outside the slice,
so its rows add up over samples as those of the whole do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from influence.data.dataset import DataFacts, Field
from influence.errors import InfluenceError, unknown
from influence.network.joint_network import JointNetwork

__all__ = [
    "Cut",
    "DepthBins",
    "Division",
    "Levels",
    "Regions",
    "Slicing",
    "cut_truth",
    "match_slices",
    "parse_levels",
]


METRES = ("m", "")
"""The units of depth for which there are edges by default."""


@dataclass(frozen=True)
class Slicing:
    """A division of the places of an output, and the ground truth that it follows.

    `range` bounds what is valid of that.
    """

    source: str
    division: Division
    range: tuple[float, float] | None = None

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the places of each part, bool, (samples, height, width)."""
        found = truth.reshape(len(truth), *truth.shape[-2:])
        if self.range is not None and found.is_floating_point():
            low, high = self.range
            found = torch.where((found >= low) & (found <= high), found, torch.nan)
        return self.division.masks(found)


def match_slices(
    network: JointNetwork, data: DataFacts, divisions: Sequence[Division], outputs: Sequence[str]
) -> dict[str, tuple[Slicing, ...]]:
    """Find the ground truth by which each output is divided.

    Depth is that of an output of kind ``depth``, or a ground truth of that name; regions are those
    of a label map. An output is divided by its own ground truth if it is such a map, else by the
    first that has maps of the same size as its own; others are not divided.

    Parameters
    ----------
    network, data
        What is measured, and on what.
    divisions
        As from `parse_levels`.
    outputs
        Those that are scored.

    Raises
    ------
    InfluenceError
        If no output can be divided, or the depth has a unit for which edges have to be given.
    """
    found: dict[str, list[Slicing]] = {name: [] for name in outputs}
    for division in divisions:
        sources = _sources(division, network, data)
        for name in outputs:
            size = _map_size(data.targets[name]) if name in data.targets else None
            own_first = sorted(sources, key=lambda source: source != name)
            fitting = [s for s in own_first if _map_size(data.targets[s]) == size is not None]
            found[name] += [Slicing(s, division, data.targets[s].range) for s in fitting[:1]]
        if not any(s.division == division for own in found.values() for s in own):
            what = "depth maps" if isinstance(division, DepthBins) else "label maps"
            shapes = {name: field.shape for name, field in data.targets.items()}
            raise InfluenceError(
                f"level {division.name!r} needs {what} among the ground truth, of the same size as "
                f"that of an output that is scored; {data.source} holds {shapes}. Leave it out"
            )
    return {name: tuple(slicings) for name, slicings in found.items() if slicings}


def _sources(division: Division, network: JointNetwork, data: DataFacts) -> list[str]:
    maps = {n: f for n, f in data.targets.items() if math.prod(f.shape[:-2]) == 1 < len(f.shape)}
    if isinstance(division, Regions):
        return [name for name, field in maps.items() if _holds_labels(field)]
    of_kind = [o.name for o in network.outputs if o.kind == "depth"] or ["depth"]
    found = [name for name in of_kind if name in maps and not _holds_labels(maps[name])]
    if division == DepthBins():
        for name in found:
            if (unit := data.targets[name].unit) not in METRES:
                raise InfluenceError(
                    f"{data.source}: targets/{name} is in {unit!r}; edges are known for metres "
                    "only. Name them, such as depth=1000,2000,4000"
                )
    return found


def _holds_labels(field: Field) -> bool:
    return field.integer and field.scale is None


def _map_size(field: Field) -> tuple[int, ...] | None:
    """Return the height and width of a truth's places; all axes of labels are places."""
    rest = math.prod(field.shape[:-2]) if _holds_labels(field) else 1
    return field.shape[-2:] if rest == 1 < len(field.shape) else None


@dataclass(frozen=True)
class Cut:
    """One slice of an output in one batch.

    Parameters
    ----------
    level
        Its name.
    target
        The ground truth, ignored outside the slice.
    places
        Those of the slice, bool, (samples, height, width).
    known
        What was computed from this truth alone; that of another slice is another.
    """

    level: str
    target: Tensor
    places: Tensor
    known: dict[str, Any] = dataclass_field(default_factory=dict)


def cut_truth(
    slicings: Mapping[str, Sequence[Slicing]], truth: Mapping[str, Tensor]
) -> dict[str, list[Cut]]:
    """Cut the ground truth of each output in one batch.

    Raises
    ------
    InfluenceError
        If maps that go together have not the same size in this batch.
    """
    wanted = dict.fromkeys(s for own in slicings.values() for s in own)
    masks = {slicing: slicing.masks(truth[slicing.source]) for slicing in wanted}
    return {
        name: [
            Cut(level, _within(truth[name], places, name, s.source), places)
            for s in own
            for level, places in masks[s].items()
        ]
        for name, own in slicings.items()
    }


def _within(target: Tensor, places: Tensor, name: str, source: str) -> Tensor:
    if target.shape[-2:] != places.shape[-2:]:
        raise InfluenceError(
            f"targets/{name} has maps of {tuple(target.shape[-2:])} in a batch in which "
            f"targets/{source} has {tuple(places.shape[-2:])}: they cannot be divided alike. Give "
            "both one size"
        )
    between = (1,) * (target.ndim - places.ndim)
    inside = places.reshape(len(places), *between, *places.shape[1:])
    return torch.where(inside, target, torch.nan if target.is_floating_point() else -1)


@dataclass(frozen=True)
class DepthBins:
    """Places by their true depth: ``depth:<low>-<high>`` holds low <= depth < high.

    Parameters
    ----------
    edges
        Between the bins, in the unit of the depth; the first bin starts at 0, and the last has no
        end. Places without a positive depth are in none.

    Examples
    --------
    >>> DepthBins((1.0, 2.5)).levels()
    ['depth:0-1', 'depth:1-2.5', 'depth:2.5-inf']
    """

    edges: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0)
    name = "depth"

    def __post_init__(self) -> None:
        ends = (0.0, *self.edges, math.inf)
        names = {f"{edge:g}" for edge in ends}
        if not all(a < b for a, b in pairwise(ends)) or len(names) < len(ends):
            raise InfluenceError(
                f"expected edges of depth that increase, above 0, got {list(self.edges)}. Such as "
                "depth=1,2,4"
            )

    def __str__(self) -> str:
        return f"depth={','.join(f'{edge:g}' for edge in self.edges)}"

    def levels(self) -> list[str]:
        """Name the bins, the nearest first."""
        return [f"depth:{low:g}-{high:g}" for low, high in self._bins()]

    def _bins(self) -> list[tuple[float, float]]:
        return list(pairwise((0.0, *self.edges, math.inf)))

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the places of each bin, bool, for a depth map (samples, height, width)."""
        places = [(truth >= low) & (truth < high) & (truth > 0) for low, high in self._bins()]
        return dict(zip(self.levels(), places, strict=True))


@dataclass(frozen=True)
class Regions:
    """Places near a border between two labels, ``region:border``, and others, ``region:interior``.

    Parameters
    ----------
    radius
        A place is near a border if another label lies at most so many pixels away, in a square
        around it. Places without a label are in neither, and make no border.

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 0, 0, 1, 1]]])
    >>> Regions(1).masks(labels)["region:border"].int().tolist()
    [[[0, 0, 0, 1, 1, 0]]]
    """

    radius: int = 2
    name = "region"

    def __post_init__(self) -> None:
        if self.radius < 1:
            raise InfluenceError(f"expected region=1 pixel or more, got {self.radius}")

    def __str__(self) -> str:
        return f"region={self.radius}"

    def levels(self) -> list[str]:
        """Name both."""
        return ["region:border", "region:interior"]

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the places of both, bool, for a label map (samples, height, width)."""
        seen, labels = truth >= 0, truth.float()
        highest = self._highest(torch.where(seen, labels, -torch.inf))
        lowest = -self._highest(torch.where(seen, -labels, -torch.inf))
        border = seen & (highest != lowest)
        return dict(zip(self.levels(), (border, seen & ~border), strict=True))

    def _highest(self, maps: Tensor) -> Tensor:
        around = min(self.radius, max(maps.shape[1:]))  # farther away there is nothing
        width = 2 * around + 1
        rows = max_pool2d(maps.unsqueeze(1), (1, width), stride=1, padding=(0, around))
        return max_pool2d(rows, (width, 1), stride=1, padding=(around, 0)).squeeze(1)


Division = DepthBins | Regions


@dataclass(frozen=True)
class Levels:
    """What was asked for below ``all``: divisions of the places, and whether samples by group."""

    divisions: tuple[Division, ...] = ()
    by_group: bool = False

    def __iter__(self) -> Iterator[str]:
        """Yield what was asked for, in the form of `parse_levels`."""
        yield from map(str, self.divisions)
        if self.by_group:
            yield "group"


def parse_levels(wanted: str | Sequence[str]) -> Levels:
    """Read what results are to be divided by.

    Parameters
    ----------
    wanted
        ``depth`` or ``depth=1,2,4`` with its edges, ``region`` or ``region=3`` with its radius in
        pixels, ``group``; several in a sequence, or joined by commas.

    Raises
    ------
    InfluenceError
        If one is unknown, comes twice, or has edges or a radius that it cannot have.

    Examples
    --------
    >>> list(parse_levels("depth=1,2,region=3,group"))
    ['depth=1,2', 'region=3', 'group']
    """
    # A number after a comma belongs to the edges before it.
    texts = re.split(r",(?=\s*[^\d\s.+-])", wanted) if isinstance(wanted, str) else wanted
    found = [_parse(text.strip()) for text in texts if text.strip()]
    names = ["group" if d is None else d.name for d in found]
    if len(set(names)) < len(names):
        raise InfluenceError(f"expected levels that differ, got {names}")
    return Levels(tuple(d for d in found if d is not None), by_group=None in found)


def _parse(text: str) -> Division | None:
    name, _, value = text.partition("=")
    try:
        if name == "depth":
            return DepthBins(tuple(map(float, value.split(",")))) if value else DepthBins()
        if name == "region":
            return Regions(int(value)) if value else Regions()
    except ValueError as error:
        raise InfluenceError(f"{text!r}: {error}. Such as depth=1,2,4 or region=3") from error
    if text != "group":
        raise unknown("level", text, ["depth", "region", "group"])
    return None
