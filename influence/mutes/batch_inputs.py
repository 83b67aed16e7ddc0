"""Batch inputs: what a network is shown of a batch, with nothing muted and under every mute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError, said
from influence.mutes.mute import Mute, SiteTensor
from influence.network.modality import Modality
from influence.runtime.values import Values, each_tensor, is_batched, join, take

__all__ = ["BatchInputs"]


@dataclass(frozen=True)
class BatchInputs:
    """The inputs of one batch, and the muted inputs made from them.

    Under `shuffle` a sample gets the inputs of its partner. Batches are taken from a cyclic order
    in which the partner of a sample is the next one, so the partner of the last sample of a batch
    is the first sample of the next batch, here called the follower. Batches that are run as they
    were given bring the inputs of all partners instead.

    Parameters
    ----------
    clean
        For each leaf of the network its values, samples first, in the order of the network's
        inputs. A leaf is a modality, or one of its tensors.
    indices
        Indices of the samples in the data set, int64 (samples,).
    modalities
        The facts of the inputs and of points of edges, with the moments that the mutes need.
    mutes
        The mutes by name.
    follower
        The inputs of the follower, a batch of one sample; needed only for `shuffle`.
    seed
        The seed of the run.
    partners
        The index in the batch of the partner of each sample except the last one, whose partner is
        the follower, int64 (samples - 1,); `None` if each sample's partner is the next one.
    exchanged
        The inputs of the partners of all samples, for a batch that does not hold them.
    owners
        Leaf -> the input to which it belongs; by default every leaf is an input.
    shared
        The leaves that are one value for the whole batch.

    Examples
    --------
    >>> from influence.mutes.registry import MUTES
    >>> clean = {"x": torch.ones(2, 1), "y": torch.ones(2, 1)}
    >>> facts = {name: Modality(name) for name in clean}
    >>> inputs = BatchInputs(clean, np.arange(2), facts, MUTES)
    >>> inputs.muted("x", "zero").tolist()
    [[0.0], [0.0]]
    """

    clean: Mapping[str, Any]
    indices: NDArray[np.int64]
    modalities: Mapping[str, Modality]
    mutes: Mapping[str, Mute]
    follower: Mapping[str, Any] | None = None
    seed: int = 0
    partners: NDArray[np.int64] | None = None
    exchanged: Mapping[str, Values] | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.indices)

    def _is_own(self, leaf: str, values: Any) -> TypeGuard[Values]:
        """Return whether values are those of each sample."""
        return leaf not in self.shared and is_batched(values, len(self))

    def site_of(self, leaf: str) -> str:
        """Return the input to which a leaf belongs."""
        return self.owners.get(leaf, leaf)

    def muted(self, leaf: str, mute: str) -> Any:
        """Return the values with which a mute replaces a leaf."""
        if self.mutes[mute].absent:
            return None
        values, site = self.clean[leaf], self.site_of(leaf)
        leader = next((n for n, owner in self.owners.items() if owner == site), leaf)
        whole = self.mutes[mute].whole or leader == leaf
        if not whole and isinstance(values, Tensor) and not values.is_floating_point():
            return values.clone()
        partners: Values | None
        if self.exchanged is not None:
            partners = self._padded(self.exchanged[leaf], values, site, leader == leaf)
        else:
            partners = self._of_partners(leaf, values)
        if self.exchanged is not None or isinstance(partners, list):
            partners = each_tensor(partners, torch.clone)  # the network may change them in place
        first = None if leader == leaf else self.clean[leader]
        facts = self.modalities.get(site if leader == leaf else leaf) or self.modalities.get(site)
        return self._replaced(facts or Modality(site), mute, values, partners, first)

    def _of_partners(self, leaf: str, values: Values) -> Values | None:
        return None if self.follower is None else self.of_partners(values, self.follower[leaf])

    def _padded(self, values: Values, clean: Values, site: str, leads: bool) -> Values:
        """Stack the tokens of partners that were cut from batches of different width."""
        if isinstance(clean, list) or not isinstance(values, list):
            return values
        modality = self.modalities.get(site) or Modality(site)
        if modality.kind == "tokens" and all(x.ndim == 1 for x in values):
            pad = modality.pad if leads else 0
            return torch.nn.utils.rnn.pad_sequence(values, batch_first=True, padding_value=pad)
        raise InfluenceError(
            f"input {site!r}: samples differ in shape, so that those of other samples make no "
            "batch under shuffle. Give batches of one sample, lists with one tensor a sample, or "
            "leave out the mute shuffle"
        )

    def replaced(
        self, point: str, mute: str, values: Values, follower: Tensor | None = None
    ) -> Any:
        """Return the values with which a mute replaces those of a point of the network.

        Parameters
        ----------
        point
            The name of the tensor: a point of an edge.
        mute
            The name of the mute.
        values
            The clean values, samples first.
        follower
            The clean tensor of the follower, shape (1, ...), or of the partners of all samples;
            needed only for `shuffle`.

        Raises
        ------
        InfluenceError
            If the first axis of the tensor is not that of the samples, or if it holds integers and
            the mute needs a mean.
        """
        if not is_batched(values, len(self)):
            raise InfluenceError(
                f"{point}: expected a tensor with the {len(self)} samples first, got the shape "
                f"{tuple(getattr(values, 'shape', ()))}. Name a module before or after it, whose "
                "output has them first"
            )
        facts = self.modalities.get(point) or Modality(point)
        if follower is None:
            return self._replaced(facts, mute, values, None, None)
        whole = len(follower) == len(self) and self.exchanged is not None
        partners = follower if whole else self.of_partners(values, follower)
        return self._replaced(facts, mute, values, partners, None)

    def _replaced(
        self,
        facts: Modality,
        mute: str,
        values: Values,
        partners: Values | None,
        first: Values | None,
    ) -> Any:
        chosen, site = self.mutes[mute], facts.name
        if isinstance(values, list) and not (chosen.whole or "partners" in chosen.needs):
            return [self._replaced_one(i, facts, mute, value) for i, value in enumerate(values)]
        if chosen.needs & {"mean", "std", "optimal"} and not _allows_mean(values, facts):
            raise InfluenceError(
                f"{site}: holds {getattr(values, 'dtype', 'no numbers')}, for which a mean is not "
                "valid. Take the mute zero or shuffle, or declare what the integers are: "
                "Modality(kind='image'), 'categories' or 'tokens'"
            )
        tensor = SiteTensor(values, facts, self.indices, partners, self.seed, first)
        try:
            found = chosen.replace(tensor)
        except (InfluenceError, AssertionError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:  # a mute of the user's own may raise anything
            raise InfluenceError(f"mute {mute!r} failed on {site!r}: {said(error)}") from error
        return _checked(found, values, chosen, site)

    def _replaced_one(self, place: int, facts: Modality, mute: str, value: Any) -> Any:
        """Replace one entry of a list: a tensor as a batch of one sample, a text as it is."""
        index = self.indices[place : place + 1]
        if isinstance(value, Tensor):
            one = SiteTensor(value.unsqueeze(0), facts, index, None, self.seed)
            found = self.mutes[mute].replace(one)
            return found[0]
        return self.mutes[mute].replace(SiteTensor([value], facts, index, None, self.seed))[0]

    def of_partners(self, values: Values, follower: Values, axis: int = 0) -> Any:
        """Return the values of the partner of each sample; samples are along `axis`."""
        if isinstance(values, list) or isinstance(follower, list):
            places = np.arange(1, len(self)) if self.partners is None else self.partners
            return join([take(values, places), follower])
        if self.partners is None:
            rest = values.narrow(axis, 1, len(self) - 1)
        else:
            rest = values.index_select(axis, torch.from_numpy(self.partners).to(values.device))
        return torch.cat([rest, follower.to(values)], dim=axis)

    def shown(self, setup: frozenset[str], mute: str) -> dict[str, Any]:
        """Return the network's inputs, with those in `setup` muted.

        All tensors are copies, which the network may change in place.
        """
        return {
            leaf: self.muted(leaf, mute)
            if self.site_of(leaf) in setup
            else each_tensor(values, torch.clone)
            for leaf, values in self.clean.items()
        }

    def next_sample(self) -> BatchInputs:
        """Return the follower as a batch of one sample."""
        assert self.follower is not None, "the engine fills it in where a mute needs it"
        clean = {leaf: self.follower.get(leaf, values) for leaf, values in self.clean.items()}
        return replace(self, clean=clean, indices=self.indices[:1], follower=None, partners=None)

    def partners_batch(self) -> BatchInputs:
        """Return the partners of all samples as a batch."""
        assert self.exchanged is not None, "the engine fills it in for batches as they were given"
        clean = {leaf: self.exchanged.get(leaf, values) for leaf, values in self.clean.items()}
        return replace(self, clean=clean, exchanged=None)

    def head(self, count: int) -> BatchInputs:
        """Return the first `count` samples; the samples are repeated if there are fewer."""
        found = self.chosen(np.arange(count) % min(count, len(self)))
        follower, partners = self.follower, None
        if self.partners is not None and count <= len(self):
            partners = self.partners[: count - 1]
        if follower is not None and count < len(self):
            last = count if self.partners is None else int(self.partners[count - 1])
            follower = {
                leaf: take(x, slice(last, last + 1)) if self._is_own(leaf, x) else x
                for leaf, x in self.clean.items()
            }
        return replace(found, follower=follower, partners=partners)

    def chosen(self, places: NDArray[np.int64]) -> BatchInputs:
        """Return the samples at some places of the batch, without a follower."""

        def part(values: Mapping[str, Any]) -> dict[str, Any]:
            return {
                leaf: take(x, places) if self._is_own(leaf, x) else x for leaf, x in values.items()
            }

        exchanged = None if self.exchanged is None else part(self.exchanged)
        return replace(
            self,
            clean=part(self.clean),
            indices=self.indices[places],
            follower=None,
            partners=None,
            exchanged=exchanged,
        )


def _checked(found: Any, values: Values, mute: Mute, site: str) -> Any:
    """Raise InfluenceError if a mute of the user's own returns something else than it replaces."""

    def form(value: Any) -> object:
        if isinstance(value, Tensor):
            return tuple(value.shape), value.dtype
        return len(value) if isinstance(value, list) else type(value).__name__

    got, expected = form(found), form(values)
    if got != expected and not mute.needs & {"partners"}:
        raise InfluenceError(
            f"mute {mute.name!r} returned {got} in the place of {site!r}, expected {expected}. "
            "Return values of the same shape and type"
        )
    return found


def _allows_mean(values: Values, facts: Modality) -> bool:
    if not isinstance(values, Tensor):
        return False
    return values.is_floating_point() or (
        facts.kind in ("image", "depth") and values.dtype != torch.bool
    )
