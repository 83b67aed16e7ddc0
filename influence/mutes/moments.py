"""Moments: mean, deviation and most frequent value of inputs, which some mutes need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import DataFacts, EvaluationSet
from influence.mutes.mute import Mute
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import is_edge
from influence.runtime.values import Values

__all__ = ["lacking_moments", "measure_moments", "with_moments"]

Moments = Mapping[str, Mapping[str, Sequence[float]]]
"""For each site its ``mean`` and ``std``, or its ``mode``, one number for each channel."""

AT_ONCE = 1024
"""The number of samples that are read together."""


def lacking_moments(
    network: JointNetwork, data: DataFacts, mutes: Sequence[Mute], sites: Sequence[str]
) -> dict[str, set[str]]:
    """Return for each tensor the moments that a mute needs, but neither network nor data contain.

    `measure_moments` must measure these. The parameters are those of `with_moments`.

    Returns
    -------
    dict
        Needs by the name of the input, or of a further tensor of an input.
    """
    lacking: dict[str, set[str]] = {}
    for name, modality, need in _needed(network, mutes, sites):
        known = getattr(modality, need), _of_data(network, data, name, need)
        if known == (None, None):
            lacking.setdefault(name, set()).add(need)
    return lacking


def with_moments(
    network: JointNetwork,
    data: DataFacts,
    mutes: Sequence[Mute],
    sites: Sequence[str],
    measured: Moments,
) -> tuple[dict[str, Modality], list[str]]:
    """Fill in the moments that the mutes need.

    Each is taken from the network's facts, or else from the attribute ``mean`` or ``std`` of the
    evaluation file, or else from the result of `measure_moments`.

    Parameters
    ----------
    network, data
        The network, and the data on which it is measured.
    mutes, sites
        The mutes, and the sites that they replace.
    measured
        The result of `measure_moments` for what `lacking_moments` returns.

    Returns
    -------
    tuple
        The modalities by name, and notes on the origin of each moment of each site.
    """
    modalities = {m.name: m for m in network.inputs}
    notes = []
    for name, modality, need in _needed(network, mutes, sites):
        found, where = getattr(modality, need), "the checkpoint"
        if found is None:
            found, where = _of_data(network, data, name, need), data.source
        if found is None and need in measured.get(name, {}):
            found = measured[name][need]
            where = f"a pass over the inputs of {data.source}, which are not training data"
        if found is None:
            continue  # a tensor without numbers, which the mute leaves as it is
        notes.append(f"{need} of {name!r} comes from {where}")
        filled: dict[str, Any] = {need: tuple(found)}
        modalities[name] = replace(modalities.get(name, modality), **filled)
    return modalities, notes


def _needed(
    network: JointNetwork, mutes: Sequence[Mute], sites: Sequence[str]
) -> Iterator[tuple[str, Modality, str]]:
    """Yield the name of each tensor whose moment a mute needs, with its facts, and the moment.

    The first tensor of an input has the input's name. Moments of an edge are measured while the
    network runs.
    """
    known = {m.name: m for m in network.inputs}
    for site in sites:
        if is_edge(site):
            continue
        rest = network.layout.of(site)[1:]
        own = [mute for mute in mutes if mute.applies_to(known[site])]
        needs = sorted({need for mute in own for need in mute.needs} & {"mean", "std", "mode"})
        for need in needs:
            yield site, known[site], need
            if need != "mode":
                for leaf in rest:
                    yield leaf, Modality(leaf, known[site].kind), need


def _of_data(network: JointNetwork, data: DataFacts, name: str, need: str) -> Any:
    leaf = (network.layout.of(name) or [name])[0]
    field = data.inputs.get(network.layout.tensor_of(leaf))
    return None if need == "mode" or network.layout.is_part(leaf) else getattr(field, need, None)


def measure_moments(
    networks: Sequence[JointNetwork],
    data: EvaluationSet,
    lacking: Mapping[str, set[str]],
    count: int,
) -> dict[str, dict[str, list[float]]]:
    """Compute mean and standard deviation, or mode, of each channel of inputs, in one pass.

    If nothing is lacking, the data are not read.

    Parameters
    ----------
    networks
        The networks, which know where their inputs lie in the data.
    data
        The samples.
    lacking
        The moments to measure by name; see `lacking_moments`.
    count
        The number of samples to use, from the start. NaN and infinite values are left out.
    """
    sums = {name: np.zeros((3, 1)) for name, needs in lacking.items() if needs != {"mode"}}
    counters: dict[str, list[Counter[float]]] = {
        name: [] for name, needs in lacking.items() if "mode" in needs
    }
    for start in range(0, count if lacking else 0, AT_ONCE):
        for name, values in _values(networks, data, np.arange(start, min(start + AT_ONCE, count))):
            for channels in _by_channel(values):
                if name in sums:
                    known = np.isfinite(channels)
                    kept = np.where(known, channels, 0.0)
                    sums[name] = sums[name] + [known.sum(1), kept.sum(1), np.square(kept).sum(1)]
                if name in counters:
                    _count(counters[name], channels)
    found: dict[str, dict[str, list[float]]] = {}
    for name, (pixels, total, square) in sums.items():
        known = np.maximum(pixels, 1)
        mean = total / known
        std = np.sqrt(np.maximum(square / known - np.square(mean), 0.0))
        found[name] = {"mean": mean.tolist(), "std": std.tolist()}
    for name, counts in counters.items():
        # Of equally frequent values the smallest, so that the order of samples does not matter.
        modes = [min((-times, value) for value, times in c.items())[1] for c in counts]
        found.setdefault(name, {})["mode"] = modes
    return found


def _values(
    networks: Sequence[JointNetwork], data: EvaluationSet, indices: NDArray[np.int64]
) -> Iterator[tuple[str, Values]]:
    """Yield the values of each tensor of the networks' inputs, each name once."""
    seen: set[str] = set()
    batches = [indices] if data.uniform else [indices[i : i + 1] for i in range(len(indices))]
    for some in batches:
        batch = data.read(some)
        seen.clear()
        for network in networks:
            leaves = network.split(batch.shown)
            for modality in network.sources:
                for number, leaf in enumerate(network.layout.of(modality.name)):
                    name = leaf if number else modality.name
                    if name not in seen:
                        seen.add(name)
                        yield name, leaves[leaf]


def _by_channel(values: Values) -> Iterator[NDArray[np.float64]]:
    """Yield values as arrays (channels, values), a list entry by entry; texts are left out."""
    parts = (
        [x.unsqueeze(0) for x in values if isinstance(x, Tensor)]
        if isinstance(values, list)
        else [values]
    )
    for part in parts:
        if part.is_complex():
            continue
        array = part.double().numpy()
        if array.ndim < 2:
            yield array.reshape(1, -1)
        else:
            yield np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)


def _count(counters: list[Counter[float]], channels: NDArray[np.float64]) -> None:
    for number, row in enumerate(channels):
        if number == len(counters):
            counters.append(Counter())
        values, times = np.unique(row, return_counts=True)
        counters[number].update(dict(zip(values.tolist(), times.tolist(), strict=True)))
