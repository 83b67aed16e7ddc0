"""Signals: the inputs of one batch, clean and as each mute replaces them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.mutes.mute import Mute, Signal
from influence.network.joint_network import Modality

__all__ = ["Signals"]


@dataclass(frozen=True)
class Signals:
    """The inputs of one batch.

    Parameters
    ----------
    clean
        One tensor a modality, samples first, in the order of the network's inputs.
    indices
        Positions of the samples in the set.
    modalities
        The facts of the inputs and of points of edges, with the moments that the mutes need.
    mutes
        The mutes by name.
    follower
        The inputs of the sample that follows the last one, for `shuffle`.
    seed
        The run's seed.
    partners
        Where in the batch the samples are whose inputs `shuffle` shows in the place of these, the
        last one's left out, whose partner is the follower; `None` for the next one each.

    Examples
    --------
    >>> from influence.mutes.registry import MUTES
    >>> clean = {"x": torch.ones(2, 1), "y": torch.ones(2, 1)}
    >>> facts = {name: Modality(name) for name in clean}
    >>> signals = Signals(clean, np.arange(2), facts, MUTES)
    >>> signals.muted("x", "zero").tolist()
    [[0.0], [0.0]]
    """

    clean: Mapping[str, Tensor]
    indices: NDArray[np.int64]
    modalities: Mapping[str, Modality]
    mutes: Mapping[str, Mute]
    follower: Mapping[str, Tensor] | None = None
    seed: int = 0
    partners: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def muted(self, site: str, mute: str) -> Tensor:
        """Return what a mute puts in the place of an input."""
        follower = None if self.follower is None else self.follower[site].unsqueeze(0)
        return self.replaced(site, mute, self.clean[site], follower)

    def replaced(self, point: str, mute: str, values: Tensor, follower: Tensor | None) -> Tensor:
        """Return what a mute puts in the place of a tensor.

        Parameters
        ----------
        point
            The name of the tensor: an input, or a point of an edge.
        mute
            The name of the mute.
        values
            The clean tensor, samples first.
        follower
            That of the sample that follows the last one, samples first, for `shuffle`.

        Raises
        ------
        InfluenceError
            If the tensor has not one entry a sample along its first axis, or holds integers where
            the mute is made of a mean.
        """
        if values.ndim == 0 or len(values) != len(self):
            raise InfluenceError(
                f"{point}: expected a tensor with the {len(self)} samples first, got the shape "
                f"{tuple(values.shape)}. Name a module before or after it, whose output has them "
                "first"
            )
        if self.mutes[mute].needs & {"mean", "std"} and not values.is_floating_point():
            raise InfluenceError(
                f"{point}: holds {values.dtype}, of which a mean is no value. Take the mute zero "
                "or shuffle"
            )
        partners = None if follower is None else self.moved(values, follower.to(values))
        facts = self.modalities.get(point) or Modality(point)
        return self.mutes[mute].replace(Signal(values, facts, self.indices, partners, self.seed))

    def moved(self, values: Tensor, follower: Tensor, axis: int = 0) -> Tensor:
        """Return for each sample what is its partner's, with samples along an axis."""
        if self.partners is None:
            rest = values.narrow(axis, 1, len(self) - 1)
        else:
            rest = values.index_select(axis, torch.from_numpy(self.partners).to(values.device))
        return torch.cat([rest, follower], dim=axis)

    def shown(self, setup: frozenset[str], mute: str) -> dict[str, Tensor | None]:
        """Return all inputs, those in the setup muted; a network may change them in place."""

        def muted(name: str) -> Tensor | None:
            return None if self.mutes[mute].absent else self.muted(name, mute)

        return {
            name: muted(name) if name in setup else values.clone()
            for name, values in self.clean.items()
        }

    def next_sample(self) -> Signals:
        """Return the sample that follows the last one, alone."""
        assert self.follower is not None, "the engine fills it in where a mute needs it"
        clean = {
            name: self.follower[name].to(values).unsqueeze(0) for name, values in self.clean.items()
        }
        return Signals(clean, self.indices[:1], self.modalities, self.mutes, None, self.seed)

    def head(self, count: int) -> Signals:
        """Return the first samples alone; a single one is repeated where more are asked for."""
        take = np.arange(count) % min(count, len(self))
        follower, partners = self.follower, None
        if self.partners is not None and count <= len(self):
            partners = self.partners[: count - 1]
        if follower is not None and count < len(self):
            last = count if self.partners is None else int(self.partners[count - 1])
            follower = {name: x[last] for name, x in self.clean.items()}
        return Signals(
            {name: x[torch.from_numpy(take).to(x.device)] for name, x in self.clean.items()},
            self.indices[take],
            self.modalities,
            self.mutes,
            follower,
            self.seed,
            partners,
        )
