"""Slices: the places of an output divided by a ground truth, such as by how far away they are.

A slice is scored by the same statistics as the whole, on a truth that is ignored outside the slice,
so its rows add up over samples as those of the whole do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch
from torch import Tensor

from influence.divisions import DepthBins, Division, Regions
from influence.errors import InfluenceError
from influence.evaluation_set import DataFacts, Field
from influence.network import JointNetwork

__all__ = ["Cut", "Slicing", "cut_truth", "match_slices"]

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
