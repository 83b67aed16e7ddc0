"""Slices: groups of the pixels of an output, formed by ground truth, such as by true depth.

A slice is scored by the same statistics as the whole, with a ground truth from which the pixels
outside the slice are removed. So its rows are summed and resampled like those of the whole.
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
"""The units of depth for which the default edges are meant."""


@dataclass(frozen=True)
class Slicing:
    """A rule that divides pixels, with the ground truth to which it is applied.

    Parameters
    ----------
    source
        The name of the ground truth.
    division
        The rule.
    range
        The valid range of the ground truth; pixels with real values outside it are in no slice.
    """

    source: str
    division: Division
    range: tuple[float, float] | None = None

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the pixels of each slice: level -> bool, (samples, height, width)."""
        found = truth.reshape(len(truth), *truth.shape[-2:])
        if self.range is not None and found.is_floating_point():
            low, high = self.range
            found = torch.where((found >= low) & (found <= high), found, torch.nan)
        return self.division.masks(found)


def match_slices(
    network: JointNetwork, data: DataFacts, divisions: Sequence[Division], outputs: Sequence[str]
) -> dict[str, tuple[Slicing, ...]]:
    """Choose the ground truth by which each output is divided.

    `DepthBins` need a depth map: the ground truth of an output of kind ``depth``, or one of the
    name ``depth``. `Regions` need a label map. An output is divided by its own ground truth if that
    is such a map, else by the first such map of the same size as its ground truth. Outputs for
    which there is none are not divided.

    Parameters
    ----------
    network, data
        The network to measure and the data to measure it on.
    divisions
        As from `parse_levels`.
    outputs
        The outputs to score.

    Returns
    -------
    dict
        Output -> its slicings, without outputs that are not divided.

    Raises
    ------
    InfluenceError
        If no output can be divided, or the depth has a unit for which there are no default edges.
    """
    found: dict[str, list[Slicing]] = {name: [] for name in outputs}
    declared = {o.name: o.range for o in network.outputs}
    for division in divisions:
        sources = _sources(division, network, data)
        for name in outputs:
            size = _map_size(data.targets[name]) if name in data.targets else None
            own_first = sorted(sources, key=lambda source: source != name)
            fitting = [s for s in own_first if _map_size(data.targets[s]) == size is not None]
            found[name] += [
                Slicing(s, division, declared.get(s) or data.targets[s].range) for s in fitting[:1]
            ]
        if not any(s.division == division for slicings in found.values() for s in slicings):
            what = "depth maps" if isinstance(division, DepthBins) else "label maps"
            shapes = {name: field.shape for name, field in data.targets.items()}
            raise InfluenceError(
                f"level {division.name!r} needs {what} among the ground truth, of the same size as "
                f"the ground truth of a scored output; {data.source} holds {shapes}. Leave it out"
            )
    return {name: tuple(slicings) for name, slicings in found.items() if slicings}


def _sources(division: Division, network: JointNetwork, data: DataFacts) -> list[str]:
    maps = {n: f for n, f in data.targets.items() if math.prod(f.shape[:-2]) == 1 < len(f.shape)}
    if isinstance(division, Regions):
        return [name for name, field in maps.items() if field.holds_labels]
    of_kind = [o.name for o in network.outputs if o.kind == "depth"] or ["depth"]
    found = [name for name in of_kind if name in maps and not maps[name].holds_labels]
    if division == DepthBins():
        for name in found:
            if (unit := data.targets[name].unit) not in METRES:
                raise InfluenceError(
                    f"{data.source}: targets/{name} is in {unit!r}; default edges are in metres. "
                    "Give edges, such as levels='depth=1000,2000,4000'"
                )
    return found


def _map_size(field: Field) -> tuple[int, ...] | None:
    """Return height and width of a map; real values may have channels, labels may not."""
    rest = math.prod(field.shape[:-2]) if field.holds_labels else 1
    return field.shape[-2:] if rest == 1 < len(field.shape) else None


@dataclass(frozen=True)
class Cut:
    """One slice of an output in one batch.

    Parameters
    ----------
    level
        The name of the slice.
    target
        The ground truth of the output, removed outside the slice: -1 in labels, NaN in values.
    pixels
        The pixels of the slice, bool, (samples, height, width).
    truth_cache
        As in `influence.metrics.metric.Prediction`, for this target.
    """

    level: str
    target: Tensor
    pixels: Tensor
    truth_cache: dict[str, Any] = dataclass_field(default_factory=dict)


def cut_truth(
    slicings: Mapping[str, Sequence[Slicing]],
    truth: Mapping[str, Tensor],
    sources: Mapping[str, Tensor] | None = None,
) -> dict[str, list[Cut]]:
    """Cut the ground truth of each output in one batch into its slices.

    Parameters
    ----------
    slicings
        As from `match_slices`.
    truth
        Name -> ground truth of the batch, of the outputs.
    sources
        Name -> ground truth by which the outputs are divided; by default that of the outputs.

    Raises
    ------
    InfluenceError
        If an output and the ground truth that divides it have maps of different size.
    """
    distinct = dict.fromkeys(s for of_output in slicings.values() for s in of_output)
    dividing = truth if sources is None else sources
    masks = {slicing: slicing.masks(dividing[slicing.source]) for slicing in distinct}
    return {
        name: [
            Cut(level, _within(truth[name], pixels, name, s.source), pixels)
            for s in of_output
            for level, pixels in masks[s].items()
        ]
        for name, of_output in slicings.items()
    }


def _within(target: Tensor, pixels: Tensor, name: str, source: str) -> Tensor:
    if target.shape[-2:] != pixels.shape[-2:]:
        raise InfluenceError(
            f"targets/{name} has maps of {tuple(target.shape[-2:])} in a batch in which "
            f"targets/{source}, by which it is divided, has {tuple(pixels.shape[-2:])}. Give both "
            "the same size"
        )
    between = (1,) * (target.ndim - pixels.ndim)
    inside = pixels.reshape(len(pixels), *between, *pixels.shape[1:])
    return torch.where(inside, target, torch.nan if target.is_floating_point() else -1)


@dataclass(frozen=True)
class DepthBins:
    """Pixels by their true depth: level ``depth:<low>-<high>`` holds low <= depth < high.

    Parameters
    ----------
    edges
        The edges between bins, increasing, in the unit of the depth. The first bin starts at 0, and
        the last has no upper edge. Pixels without a positive depth are in no bin.

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
        """List the names of the bins, the nearest first."""
        return [f"depth:{low:g}-{high:g}" for low, high in self._bins()]

    def _bins(self) -> list[tuple[float, float]]:
        return list(pairwise((0.0, *self.edges, math.inf)))

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the pixels of each bin, bool, for a depth map (samples, height, width)."""
        pixels = [(truth >= low) & (truth < high) & (truth > 0) for low, high in self._bins()]
        return dict(zip(self.levels(), pixels, strict=True))


@dataclass(frozen=True)
class Regions:
    """Pixels near a border between labels, ``region:border``, and others, ``region:interior``.

    Parameters
    ----------
    radius
        A pixel is near a border if the square of 2 * `radius` + 1 pixels around it holds another
        label. Pixels without a label are in neither region and form no border.

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
        """List the names of the two regions."""
        return ["region:border", "region:interior"]

    def masks(self, truth: Tensor) -> dict[str, Tensor]:
        """Return the pixels of both regions, bool, for a label map (samples, height, width)."""
        labelled, labels = truth >= 0, truth.float()
        highest = self._highest(torch.where(labelled, labels, -torch.inf))
        lowest = -self._highest(torch.where(labelled, -labels, -torch.inf))
        border = labelled & (highest != lowest)
        return dict(zip(self.levels(), (border, labelled & ~border), strict=True))

    def _highest(self, maps: Tensor) -> Tensor:
        around = min(self.radius, max(maps.shape[1:]))  # a map holds no pixels farther away
        width = 2 * around + 1
        rows = max_pool2d(maps.unsqueeze(1), (1, width), stride=1, padding=(0, around))
        return max_pool2d(rows, (width, 1), stride=1, padding=(around, 0)).squeeze(1)


Division = DepthBins | Regions


@dataclass(frozen=True)
class Levels:
    """The levels to report beside ``all``.

    Parameters
    ----------
    divisions
        The rules by which pixels are divided.
    by_group
        Whether samples are also divided by their group.
    """

    divisions: tuple[Division, ...] = ()
    by_group: bool = False

    def __iter__(self) -> Iterator[str]:
        """Yield the levels as `parse_levels` reads them."""
        yield from map(str, self.divisions)
        if self.by_group:
            yield "group"


def parse_levels(wanted: str | Sequence[str]) -> Levels:
    """Parse the levels by which results are to be divided.

    Parameters
    ----------
    wanted
        ``depth``, or ``depth=1,2,4`` with edges; ``region``, or ``region=3`` with a radius in
        pixels; ``group``. Several come in a sequence, or joined by commas.

    Raises
    ------
    InfluenceError
        If one is unknown or named twice, or has invalid edges or an invalid radius.

    Examples
    --------
    >>> list(parse_levels("depth=1,2,region=3,group"))
    ['depth=1,2', 'region=3', 'group']
    """
    # A number after a comma belongs to the edges before it.
    texts = re.split(r",(?=\s*[^\d\s.+-])", wanted) if isinstance(wanted, str) else wanted
    texts = [text.strip() for text in texts] if wanted else []
    if "" in texts:
        raise InfluenceError(f"expected levels such as depth or region=3, got {wanted!r} with none")
    found = [_parse(text) for text in texts]
    names = ["group" if d is None else d.name for d in found]
    if len(set(names)) < len(names):
        raise InfluenceError(f"expected levels that differ, got {names}")
    return Levels(tuple(d for d in found if d is not None), by_group=None in found)


def _parse(text: str) -> Division | None:
    name, given, value = text.partition("=")
    try:
        if name == "depth":
            return DepthBins(tuple(map(float, value.split(",")))) if given else DepthBins()
        if name == "region":
            return Regions(int(value)) if given else Regions()
    except ValueError as error:
        raise InfluenceError(f"{text!r}: {error}. Such as depth=1,2,4 or region=3") from error
    if text != "group":
        raise unknown("level", text, ["depth", "region", "group"])
    return None
