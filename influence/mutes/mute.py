"""Mutes: what replaces a site's tensor when its information is taken away.

The paper says only that an input channel is muted (arXiv 1702.08009, Sec. III-D); ``zero`` is its
most natural reading. Every mute builds a new tensor and never multiplies the old one, so that a
NaN in a muted input cannot leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.network.joint_network import Modality
from influence.network.sites import is_edge

__all__ = [
    "Mute",
    "Signal",
]


@dataclass(frozen=True)
class Signal:
    """One site's clean tensor for a batch, and what a mute may need to replace it.

    Parameters
    ----------
    values
        The clean tensor, shape (samples, channels, ...).
    modality
        The facts of the site; `mean`, `std` and `optimal` are filled in for the mutes that need
        them.
    indices
        Positions of the samples in the set, for random streams.
    partners
        The tensor of another sample for each of these, for `shuffle`.
    seed
        The run's seed.
    """

    values: Tensor
    modality: Modality
    indices: NDArray[np.int64]
    partners: Tensor | None = None
    seed: int = 0

    def per_channel(self, fact: str) -> Tensor:
        """Expand a fact of the site, one number a channel, to the shape of `values`.

        Raises
        ------
        InfluenceError
            If there are neither one number nor as many as channels.
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
        row = torch.tensor(numbers, dtype=like.dtype, device=like.device)
        shape = (1, len(numbers), *[1] * (like.ndim - 2)) if like.ndim > 1 else (1,)
        return row.reshape(shape).expand_as(like)


@dataclass(frozen=True)
class Mute:
    """An operator that replaces a site's tensor.

    Parameters
    ----------
    name
        Its name in tables and on the command line.
    replace
        Builds the replacement, of the same shape, from a `Signal`.
    summary
        One line for people.
    kinds
        The kinds of input for which it is defined; empty for all.
    needs
        What the engine must fill in: ``mean``, ``std``, ``optimal`` or ``partners``.
    constant
        Whether every sample is replaced by the same.
    absent
        Whether the network gets `None` in place of a tensor, so that nothing is built.
    """

    name: str
    replace: Callable[[Signal], Tensor]
    summary: str
    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    constant: bool = False
    absent: bool = False

    def applies_to(self, modality: Modality) -> bool:
        """Say whether the mute is defined for a site: an input of some kind, or an edge."""
        if self.absent:
            return not is_edge(modality.name)
        return not self.kinds or modality.kind in self.kinds

    @property
    def scope(self) -> str:
        """Say for which inputs the mute is defined."""
        return "inputs" + (f" of kind {' or '.join(sorted(self.kinds))}" if self.kinds else "")


def _zero(signal: Signal) -> Tensor:
    return torch.zeros_like(signal.values)


def _fact(name: str) -> Callable[[Signal], Tensor]:
    def replace(signal: Signal) -> Tensor:
        # A network may call view() on its input or change it in place.
        return signal.per_channel(name).clone(memory_format=torch.contiguous_format)

    return replace


def _uniform(signal: Signal) -> Tensor:
    probability = 1.0 / signal.values.shape[1] if signal.modality.kind == "probabilities" else 0.0
    return torch.full_like(signal.values, probability)


def _shuffle(signal: Signal) -> Tensor:
    assert signal.partners is not None, "the engine fills in the partners"
    return signal.partners


def _noise(signal: Signal) -> Tensor:
    shape = signal.values.shape[1:]
    stream = crc32(f"noise {signal.modality.name}".encode())
    draws = np.stack(
        [
            np.random.Generator(np.random.Philox([signal.seed, stream, int(i)])).standard_normal(
                shape, dtype=np.float32
            )
            for i in signal.indices
        ]
    )
    noise = torch.from_numpy(draws).to(signal.values)
    noise = signal.per_channel("mean") + noise * signal.per_channel("std")
    if signal.modality.kind == "depth":
        return noise.clamp(min=0)
    if signal.modality.kind == "probabilities":
        noise = noise.clamp(min=1e-6)
        return noise / noise.sum(dim=1, keepdim=True)
    return noise


def _absent(signal: Signal) -> Tensor:
    raise AssertionError(f"the engine passes None in the place of {signal.modality.name!r}")


def _constant(value: float) -> Mute:
    def replace(signal: Signal) -> Tensor:
        return torch.full_like(signal.values, value)

    return Mute(f"constant:{value:g}", replace, f"the value {value:g} everywhere", constant=True)
