"""Moments: the per-channel mean and deviation of an input, and where they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from influence.data.dataset import DataFacts, EvaluationSet
from influence.mutes.mute import Mute
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import is_edge

__all__ = ["lacking_moments", "measure_moments", "with_moments"]

Moments = Mapping[str, Mapping[str, Sequence[float]]]
"""For each site its ``mean`` and ``std``, one number a channel."""


def lacking_moments(
    network: JointNetwork, data: DataFacts, mutes: Sequence[Mute], sites: Sequence[str]
) -> set[str]:
    """Find the sites whose moments a mute needs, and neither checkpoint nor data know."""
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
    """Fill in the moments that the mutes need and the network's facts lack.

    Each comes from the checkpoint's facts, else from the evaluation file's attribute ``mean`` or
    ``std``, else from what `measure_moments` found.

    Returns
    -------
    tuple
        The modalities by name, and one note a site that says where its moments came from.
    """
    modalities = {m.name: m for m in network.inputs}
    notes = []
    for site in sites:
        if is_edge(site):
            continue  # its moments are measured where the network runs
        facts = modalities[site]
        chosen: dict[str, Sequence[float] | None] = {"mean": facts.mean, "std": facts.std}
        for need in _needs(mutes):
            where = "the checkpoint"
            if chosen[need] is None:
                chosen[need], where = getattr(data.inputs[site], need), data.source
            if chosen[need] is None:
                chosen[need] = measured[site][need]
                where = f"a pass over the inputs of {data.source}, which are not training data"
            notes.append(f"{need} of {site!r} comes from {where}")
        mean, std = (None if c is None else tuple(c) for c in (chosen["mean"], chosen["std"]))
        modalities[site] = replace(facts, mean=mean, std=std)
    return modalities, notes


def _needs(mutes: Sequence[Mute]) -> list[str]:
    return sorted({need for mute in mutes for need in mute.needs} & {"mean", "std"})


def measure_moments(
    data: EvaluationSet, sites: Sequence[str], count: int
) -> dict[str, dict[str, list[float]]]:
    """Average sites over the first samples and all places, per channel, leaving NaN out.

    This is a preliminary pass over the data; none is made if there are no sites.
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
    for site, (places, total, square) in sums.items():
        known = np.maximum(places, 1)
        mean = total / known
        std = np.sqrt(np.maximum(square / known - np.square(mean), 0.0))
        found[site] = {"mean": mean.tolist(), "std": std.tolist()}
    return found
