"""Mutes: what replaces a site's tensor when its information is taken away.

The paper says only that an input channel is muted (arXiv 1702.08009, Sec. III-D); ``zero`` is its
most natural reading. Every mute builds a new tensor and never multiplies the old one, so that a
NaN in a muted input cannot leak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.edges import is_edge
from influence.errors import InfluenceError, unknown
from influence.network import Modality

__all__ = ["MUTES", "PANEL", "Mute", "Signal", "cyclic_order", "parse_mute", "parse_mutes"]


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


MUTES: dict[str, Mute] = {
    mute.name: mute
    for mute in (
        Mute(
            "zero",
            _zero,
            "zeros, the paper's reading; far from the data for most inputs",
            constant=True,
        ),
        Mute(
            "mean",
            _fact("mean"),
            "the mean over the training set, one number a channel; of probabilities it is the "
            "prior",
            needs=frozenset({"mean"}),
            constant=True,
        ),
        Mute(
            "uniform",
            _uniform,
            "the distribution that knows nothing: 1/k, or zero logits",
            kinds=frozenset({"probabilities", "logits"}),
            constant=True,
        ),
        Mute(
            "shuffle",
            _shuffle,
            "another sample's input, by one seeded derangement of the whole set",
            needs=frozenset({"partners"}),
        ),
        Mute(
            "shuffle:groups",
            _shuffle,
            "the input of another sample of the same group, such as a scene",
            needs=frozenset({"partners"}),
        ),
        Mute(
            "shuffle:neighbours",
            _shuffle,
            "the input of a sample that is near by all inputs, so that what is shown together "
            "could be real; it costs one more read of the inputs",
            needs=frozenset({"partners"}),
        ),
        Mute(
            "noise",
            _noise,
            "white noise with the training set's mean and deviation a channel "
            "(depth: not below zero; probabilities: made to sum to one)",
            needs=frozenset({"mean", "std"}),
        ),
        Mute(
            "optimal",
            _fact("optimal"),
            "the constant that hurts least, one number a channel, learned on training data",
            needs=frozenset({"optimal"}),
            constant=True,
        ),
        Mute(
            "absent",
            _absent,
            "None in place of a tensor, for networks that accept it; no work is shared",
            absent=True,
        ),
    )
}
"""The mutes by name; ``constant:VALUE`` is made by `parse_mute`."""

PANEL = ("zero", "mean", "uniform", "shuffle", "noise", "optimal")
"""The mutes that ``panel`` stands for: a verdict that holds under all of them is no artefact."""


def parse_mute(text: str) -> Mute:
    """Look a mute up by name, or make ``constant:VALUE``.

    Raises
    ------
    InfluenceError
        If there is no mute of that name, or VALUE is not a finite number.

    Examples
    --------
    >>> signal = Signal(torch.ones(1, 2), Modality("x"), np.array([0]))
    >>> parse_mute("constant:0.5").replace(signal).tolist()
    [[0.5, 0.5]]
    """
    name, _, value = text.partition(":")
    if name == "constant":
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise InfluenceError(f"mute {text!r}: expected constant:VALUE, such as constant:0.5")
        return _constant(number)
    if text not in MUTES:
        raise unknown("mute", text, [*MUTES, "constant:VALUE", "panel"])
    return MUTES[text]


def parse_mutes(names: Iterable[str]) -> list[Mute]:
    """Look several mutes up; each may be named once, and ``panel`` stands for all of `PANEL`.

    >>> [m.name for m in parse_mutes(["zero", "mean"])]
    ['zero', 'mean']
    >>> [m.name for m in parse_mutes(["mean", "panel"])]
    ['mean', 'zero', 'uniform', 'shuffle', 'noise', 'optimal']
    """
    mutes = [parse_mute(name) for name in _expanded(list(names))]
    if not mutes:
        raise InfluenceError(f"expected one mute or more, got none. Known: {', '.join(MUTES)}")
    if len({m.name for m in mutes}) < len(mutes):
        raise InfluenceError(f"expected mutes that differ, got {[m.name for m in mutes]}")
    kinds = [mute.name for mute in mutes if "partners" in mute.needs]
    if len(kinds) > 1:
        raise InfluenceError(
            f"expected one kind of shuffle in a run, got {' and '.join(kinds)}: each reads samples "
            "in an order of its own. Measure one run for each"
        )
    return mutes


def _expanded(names: Sequence[str]) -> list[str]:
    """Put the panel's mutes in its place, without those that are named beside it.

    Another kind of shuffle takes the place of the panel's.
    """
    beside = {name.partition(":")[0] if name in MUTES else name for name in names}
    panel = [name for name in PANEL if name not in beside]
    return [mute for name in names for mute in (panel if name == "panel" else [name])]


def cyclic_order(count: int, seed: int) -> NDArray[np.int64]:
    """Draw the order of all samples in which `shuffle` pairs them off to exchange their inputs.

    See `influence.derangement.pair_up`.

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
