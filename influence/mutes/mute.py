"""Mutes: operators that replace the tensor of a site, so that its information is lost.

The paper says only that an input channel is muted (arXiv 1702.08009, Sec. III-D); ``zero`` is the
most natural interpretation. Every mute builds a new tensor and never multiplies the old one, so
that NaN in a muted input cannot reach the network.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError, unknown
from influence.network.modality import KINDS, Modality
from influence.network.sites import is_edge
from influence.runtime.values import Values, each_tensor

__all__ = ["NUMBERS", "Mute", "SiteTensor", "expand_channels", "mute"]

NUMBERS = frozenset({"depth", "probabilities", "logits", "image", "vector", "other"})
"""The kinds of input that hold numbers."""

FACTS = ("mean", "std", "optimal", "mode", "partners")
"""What a mute may need beside the tensor that it replaces."""


@dataclass(frozen=True)
class SiteTensor:
    """The tensor of one site for a batch, with all data that a mute may need to replace it.

    Parameters
    ----------
    values
        The clean tensor, shape (samples, channels, ...). Where samples differ in shape or are
        texts, it is a list with one entry a sample.
    modality
        The facts of the site. What the mute needs of `mean`, `std`, `optimal` and `mode` is filled
        in.
    indices
        Indices of the samples in the data set, int64 (samples,); random streams depend on them.
    partners
        For each sample the values of its partner, for mutes that need ``partners``.
    seed
        The seed of the run.
    first
        The first tensor of the site's modality, such as the token ids to which an attention mask
        belongs; `None` if `values` is that one.
    """

    values: Any
    modality: Modality
    indices: NDArray[np.int64]
    partners: Values | None = None
    seed: int = 0
    first: Values | None = None

    def per_channel(self, fact: str) -> Tensor:
        """Expand a fact of the site, one number per channel, to the shape of `values`.

        Whole numbers are rounded to the nearest one.

        Raises
        ------
        InfluenceError
            If the fact has neither one number nor one number per channel.
        """
        numbers, like = getattr(self.modality, fact), self.values
        assert numbers is not None, "the engine fills in what a mute needs"
        assert isinstance(like, Tensor), "the engine calls a mute for each entry of a list"
        channels = like.shape[1] if like.ndim > 1 else 1
        if len(numbers) not in (1, channels):
            raise InfluenceError(
                f"input {self.modality.name!r}: its facts hold {len(numbers)} numbers as {fact!r}, "
                f"expected 1 or {channels}, one a channel"
            )
        return expand_channels(_like(numbers, like), like)


def _like(numbers: Iterable[float], like: Tensor) -> Tensor:
    """Return numbers in the type of a tensor, rounded and limited if it holds whole numbers."""
    found = torch.tensor(list(numbers), dtype=torch.float64)
    if not (like.is_floating_point() or like.is_complex() or like.dtype == torch.bool):
        limits = torch.iinfo(like.dtype)
        found = found.round().clamp(limits.min, limits.max)
    return found.to(like.device, like.dtype)


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
        `SiteTensor` -> new values of the same shape, which the network may change in place.
    summary
        A one-line description.
    kinds
        The kinds of input for which the mute is defined; empty for all.
    needs
        Facts that must be provided: ``mean``, ``std``, ``optimal``, ``mode`` or ``partners``.
    constant
        Whether the replacement is the same for every sample.
    absent
        Whether the network gets `None` instead of a tensor, so that `replace` is not called.
    whole
        Whether all tensors of a modality are replaced. Otherwise whole numbers and truth values
        that belong to its first tensor, such as lengths, stay as they are.
    """

    name: str
    replace: Callable[[SiteTensor], Any]
    summary: str
    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    constant: bool = False
    absent: bool = False
    whole: bool = False

    def applies_to(self, modality: Modality) -> bool:
        """Return whether the mute is defined for a site, which is an input or an edge."""
        if self.absent:
            return not is_edge(modality.name)
        if self.name == "mask" and modality.mask is None:
            return False
        return not self.kinds or modality.kind in self.kinds

    @property
    def scope(self) -> str:
        """A description of the inputs for which the mute is defined."""
        if self.name == "mask":
            return "tokens with the id of a mask token: Modality(kind='tokens', mask=...)"
        if self.kinds >= NUMBERS:
            return "inputs that hold numbers"
        return "inputs" + (f" of kind {' or '.join(sorted(self.kinds))}" if self.kinds else "")


def _on_copies(own: Callable[[SiteTensor], Values], site: SiteTensor) -> Values:
    """Call a mute of a user's own, which may change in place what it is given."""
    values, partners, first = (
        None if x is None else each_tensor(x, torch.clone)
        for x in (site.values, site.partners, site.first)
    )
    return own(replace(site, values=values, partners=partners, first=first))


@overload
def mute(function: Callable[[SiteTensor], Values], /) -> Mute: ...


@overload
def mute(
    *, name: str = "", kinds: Iterable[str] = (), needs: Iterable[str] = (), constant: bool = False
) -> Callable[[Callable[[SiteTensor], Values]], Mute]: ...


def mute(
    function: Callable[[SiteTensor], Values] | None = None,
    /,
    *,
    name: str = "",
    kinds: Iterable[str] = (),
    needs: Iterable[str] = (),
    constant: bool = False,
) -> Mute | Callable[[Callable[[SiteTensor], Values]], Mute]:
    """Make a mute of a function, to replace inputs in a way of one's own.

    Parameters
    ----------
    function
        Takes a `SiteTensor`, and returns values that replace its `values`.
    name
        The name in tables; by default that of the function.
    kinds
        The kinds of input for which it is defined; by default all.
    needs
        What must be filled in: ``mean``, ``std``, ``mode`` or ``partners``, the values of another
        sample.
    constant
        Whether the replacement is the same for every sample, so that it is computed once.

    Raises
    ------
    InfluenceError
        If the name, a kind or a need is not valid.

    Examples
    --------
    >>> @mute
    ... def darker(site):
    ...     return site.values / 2
    >>> darker.replace(SiteTensor(torch.ones(1, 2), Modality("rgb"), np.array([0]))).tolist()
    [[0.5, 0.5]]
    >>> darker.name
    'darker'
    """

    def make(own: Callable[[SiteTensor], Values]) -> Mute:
        called = name or own.__name__
        if not called or any(mark in called for mark in "+/,:"):
            raise InfluenceError(
                f"a mute needs a name without '+', '/', ',' and ':', got {called!r}"
            )
        for what, given, known in (("kind", kinds, KINDS), ("need of a mute", needs, FACTS)):
            for item in given:
                if item not in known:
                    raise unknown(what, item, known)
        summary = (inspect.getdoc(own) or "a mute of your own").partition("\n")[0]
        call = partial(_on_copies, own)
        return Mute(called, call, summary, frozenset(kinds), frozenset(needs), constant)

    return make if function is None else make(function)
