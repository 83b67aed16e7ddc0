"""Moments: mean and standard deviation of each channel of an input, which some mutes need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from influence.data.dataset import DataFacts, EvaluationSet
from influence.mutes.mute import Mute
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import is_edge

__all__ = ["lacking_moments", "measure_moments", "with_moments"]

Moments = Mapping[str, Mapping[str, Sequence[float]]]
"""For each site its ``mean`` and ``std``, one number for each channel."""


def lacking_moments(
    network: JointNetwork, data: DataFacts, mutes: Sequence[Mute], sites: Sequence[str]
) -> set[str]:
    """Return the sites whose moments a mute needs, but neither network nor data contain.

    `measure_moments` must measure these sites. The parameters are those of `with_moments`.
    """
    modalities = {m.name: m for m in network.inputs}
    return {
        site
        for site in sites
        if not is_edge(site)
        for need in _needs(mutes)
        if getattr(modalities[site], need) is None and getattr(data.inputs[site], need) is None
    }


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
        The result of `measure_moments` for the sites that `lacking_moments` returns.

    Returns
    -------
    tuple
        The modalities by name, and notes on the origin of each moment of each site.
    """
    modalities = {m.name: m for m in network.inputs}
    notes = []
    for site in sites:
        if is_edge(site):
            continue  # the moments of an edge are measured while the network runs
        for need in _needs(mutes):
            found, where = getattr(modalities[site], need), "the checkpoint"
            if found is None:
                found, where = getattr(data.inputs[site], need), data.source
            if found is None:
                found = measured[site][need]
                where = f"a pass over the inputs of {data.source}, which are not training data"
            notes.append(f"{need} of {site!r} comes from {where}")
            filled: dict[str, Any] = {need: tuple(found)}
            modalities[site] = replace(modalities[site], **filled)
    return modalities, notes


def _needs(mutes: Sequence[Mute]) -> list[str]:
    return sorted({need for mute in mutes for need in mute.needs} & {"mean", "std"})


def measure_moments(
    data: EvaluationSet, sites: Sequence[str], count: int
) -> dict[str, dict[str, list[float]]]:
    """Compute mean and standard deviation of each channel of inputs, in one pass over the data.

    Without sites the data are not read.

    Parameters
    ----------
    data
        The samples.
    sites
        The inputs.
    count
        The number of samples to use, from the start. NaN and infinite values are left out.
    """
    sums = {site: np.zeros((3, 1)) for site in sites}
    for index in range(count if sites else 0):
        inputs = data[index].inputs
        for site in sites:
            values = inputs[site].double().numpy()
            values = values.reshape(values.shape[0] if values.ndim else 1, -1)
            known = np.isfinite(values)
            values = np.where(known, values, 0.0)
            sums[site] = sums[site] + [known.sum(1), values.sum(1), np.square(values).sum(1)]
    found = {}
    for site, (pixels, total, square) in sums.items():
        known = np.maximum(pixels, 1)
        mean = total / known
        std = np.sqrt(np.maximum(square / known - np.square(mean), 0.0))
        found[site] = {"mean": mean.tolist(), "std": std.tolist()}
    return found
