"""Mutes: operators that replace the tensor of a site, so that its information is lost.

The paper says only that an input channel is muted (arXiv 1702.08009, Sec. III-D); ``zero`` is the
most natural interpretation. Every mute builds a new tensor and never multiplies the old one, so
that NaN in a muted input cannot reach the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.network.joint_network import Modality
from influence.network.sites import is_edge

__all__ = ["BatchInputs", "Mute", "SiteTensor", "expand_channels"]


@dataclass(frozen=True)
class SiteTensor:
    """The tensor of one site for a batch, with all data that a mute may need to replace it.

    Parameters
    ----------
    values
        The clean tensor, shape (samples, channels, ...).
    modality
        The facts of the site. `mean`, `std` and `optimal` are filled in for mutes that need them.
    indices
        Indices of the samples in the data set, int64 (samples,); random streams depend on them.
    partners
        For each sample the tensor of its partner, of the shape of `values`, for mutes that need
        ``partners``.
    seed
        The seed of the run.
    """

    values: Tensor
    modality: Modality
    indices: NDArray[np.int64]
    partners: Tensor | None = None
    seed: int = 0

    def per_channel(self, fact: str) -> Tensor:
        """Expand a fact of the site, one number per channel, to the shape of `values`.

        Raises
        ------
        InfluenceError
            If the fact has neither one number nor one number per channel.
        """
        numbers = getattr(self.modality, fact)
        assert numbers is not None, "the engine fills in what a mute needs"
        like = self.values
        channels = like.shape[1] if like.ndim > 1 else 1
        if len(numbers) not in (1, channels):
            raise InfluenceError(
                f"input {self.modality.name!r}: its facts hold {len(numbers)} numbers as {fact!r}, "
                f"expected 1 or {channels}, one a channel"
            )
        return expand_channels(torch.tensor(numbers, dtype=like.dtype, device=like.device), like)


def expand_channels(numbers: Tensor, like: Tensor) -> Tensor:
    """Expand numbers, one per channel or one for all channels, to the shape of a batch."""
    shape = (1, len(numbers), *[1] * (like.ndim - 2)) if like.ndim > 1 else (1,)
    return numbers.reshape(shape).expand_as(like)


@dataclass(frozen=True)
class Mute:
    """An operator that replaces the tensor of a site.

    Parameters
    ----------
    name
        The name in tables and on the command line.
    replace
        `SiteTensor` -> a new tensor of the same shape, which the network may change in place.
    summary
        A one-line description.
    kinds
        The kinds of input for which the mute is defined; empty for all.
    needs
        Facts that must be provided: ``mean``, ``std``, ``optimal`` or ``partners``.
    constant
        Whether the replacement is the same for every sample.
    absent
        Whether the network gets `None` instead of a tensor, so that `replace` is not called.
    """

    name: str
    replace: Callable[[SiteTensor], Tensor]
    summary: str
    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    constant: bool = False
    absent: bool = False

    def applies_to(self, modality: Modality) -> bool:
        """Return whether the mute is defined for a site, which is an input or an edge."""
        if self.absent:
            return not is_edge(modality.name)
        return not self.kinds or modality.kind in self.kinds

    @property
    def scope(self) -> str:
        """A description of the inputs for which the mute is defined."""
        return "inputs" + (f" of kind {' or '.join(sorted(self.kinds))}" if self.kinds else "")


@dataclass(frozen=True)
class BatchInputs:
    """The inputs of one batch, and the muted inputs made from them.

    Under `shuffle` a sample gets the inputs of its partner. Batches are taken from a cyclic order
    in which the partner of a sample is the next one, so the partner of the last sample of a batch
    is the first sample of the next batch, here called the follower.

    Parameters
    ----------
    clean
        For each modality its tensor, samples first, in the order of the network's inputs.
    indices
        Indices of the samples in the data set, int64 (samples,).
    modalities
        The facts of the inputs and of points of edges, with the moments that the mutes need.
    mutes
        The mutes by name.
    follower
        The inputs of the follower, without an axis of samples; needed only for `shuffle`.
    seed
        The seed of the run.
    partners
        The index in the batch of the partner of each sample except the last one, whose partner is
        the follower, int64 (samples - 1,); `None` if each sample's partner is the next one.

    Examples
    --------
    >>> from influence.mutes.registry import MUTES
    >>> clean = {"x": torch.ones(2, 1), "y": torch.ones(2, 1)}
    >>> facts = {name: Modality(name) for name in clean}
    >>> inputs = BatchInputs(clean, np.arange(2), facts, MUTES)
    >>> inputs.muted("x", "zero").tolist()
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
        """Return the tensor with which a mute replaces an input."""
        follower = None if self.follower is None else self.follower[site].unsqueeze(0)
        return self.replaced(site, mute, self.clean[site], follower)

    def replaced(self, point: str, mute: str, values: Tensor, follower: Tensor | None) -> Tensor:
        """Return the tensor with which a mute replaces a tensor of the network.

        Parameters
        ----------
        point
            The name of the tensor: an input, or a point of an edge.
        mute
            The name of the mute.
        values
            The clean tensor, samples first.
        follower
            The clean tensor of the follower, shape (1, ...); needed only for `shuffle`.

        Raises
        ------
        InfluenceError
            If the first axis of the tensor is not that of the samples, or if the tensor holds
            integers and the mute needs a mean.
        """
        if values.ndim == 0 or len(values) != len(self):
            raise InfluenceError(
                f"{point}: expected a tensor with the {len(self)} samples first, got the shape "
                f"{tuple(values.shape)}. Name a module before or after it, whose output has them "
                "first"
            )
        if self.mutes[mute].needs & {"mean", "std"} and not values.is_floating_point():
            raise InfluenceError(
                f"{point}: holds {values.dtype}, for which a mean is not valid. Take the mute "
                "zero or shuffle"
            )
        partners = None if follower is None else self.of_partners(values, follower.to(values))
        facts = self.modalities.get(point) or Modality(point)
        site = SiteTensor(values, facts, self.indices, partners, self.seed)
        return self.mutes[mute].replace(site)

    def of_partners(self, values: Tensor, follower: Tensor, axis: int = 0) -> Tensor:
        """Return the values of the partner of each sample; samples are along `axis`."""
        if self.partners is None:
            rest = values.narrow(axis, 1, len(self) - 1)
        else:
            rest = values.index_select(axis, torch.from_numpy(self.partners).to(values.device))
        return torch.cat([rest, follower], dim=axis)

    def shown(self, setup: frozenset[str], mute: str) -> dict[str, Tensor | None]:
        """Return the network's inputs, with those in `setup` muted.

        All tensors are copies, which the network may change in place.
        """

        def muted(name: str) -> Tensor | None:
            return None if self.mutes[mute].absent else self.muted(name, mute)

        return {
            name: muted(name) if name in setup else values.clone()
            for name, values in self.clean.items()
        }

    def next_sample(self) -> BatchInputs:
        """Return the follower as a batch of one sample."""
        assert self.follower is not None, "the engine fills it in where a mute needs it"
        clean = {
            name: self.follower[name].to(values).unsqueeze(0) for name, values in self.clean.items()
        }
        return replace(self, clean=clean, indices=self.indices[:1], follower=None, partners=None)

    def head(self, count: int) -> BatchInputs:
        """Return the first `count` samples; the samples are repeated if there are fewer."""
        take = np.arange(count) % min(count, len(self))
        follower, partners = self.follower, None
        if self.partners is not None and count <= len(self):
            partners = self.partners[: count - 1]
        if follower is not None and count < len(self):
            last = count if self.partners is None else int(self.partners[count - 1])
            follower = {name: x[last] for name, x in self.clean.items()}
        return replace(
            self,
            clean={n: x[torch.from_numpy(take).to(x.device)] for n, x in self.clean.items()},
            indices=self.indices[take],
            follower=follower,
            partners=partners,
        )
