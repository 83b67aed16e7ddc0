"""Divisions of places and samples: by depth, by the borders of regions, by group.

Which places belong to a part is taken from the ground truth and never from a prediction: it is the
same under every condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from influence.errors import InfluenceError, unknown

__all__ = ["DepthBins", "Division", "Levels", "Regions", "parse_levels"]


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
