"""Moments: the per-channel mean and deviation of an input, and where they were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from influence.evaluation_set import EvaluationSet
from influence.muting import Mute
from influence.network import JointNetwork, Modality

__all__ = ["with_moments"]


def with_moments(
    network: JointNetwork,
    data: EvaluationSet,
    mutes: Sequence[Mute],
    sites: Sequence[str],
    batches: Sequence[NDArray[np.int64]],
) -> tuple[dict[str, Modality], list[str]]:
    """Fill in the moments that the mutes need and the network's facts lack.

    Each comes from the checkpoint's facts, else from the evaluation file's attribute ``mean`` or
    ``std``, else from one preliminary pass over the inputs.

    Returns
    -------
    tuple
        The modalities by name, and one note a site that says where its moments came from.
    """
    modalities = {m.name: m for m in network.inputs}
    needs = sorted({need for mute in mutes for need in mute.needs} & {"mean", "std"})
    lacking = {
        site
        for site in sites
        for need in needs
        if getattr(modalities[site], need) is None and getattr(data.inputs[site], need) is None
    }
    measured = _measured(data, sorted(lacking), batches) if lacking else {}
    notes = []
    for site in sites:
        facts = modalities[site]
        chosen = {"mean": facts.mean, "std": facts.std}
        for need in needs:
            where = "the checkpoint"
            if chosen[need] is None:
                chosen[need], where = getattr(data.inputs[site], need), data.source
            if chosen[need] is None:
                chosen[need] = measured[site][need]
                where = f"a pass over the inputs of {data.source}, which are not training data"
            notes.append(f"{need} of {site!r} comes from {where}")
        modalities[site] = replace(facts, mean=chosen["mean"], std=chosen["std"])
    return modalities, notes


def _measured(
    data: EvaluationSet, sites: Sequence[str], batches: Sequence[NDArray[np.int64]]
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Average each site over samples and places, per channel, leaving NaN out."""
    sums = {site: np.zeros((3, 1)) for site in sites}
    # In the order of the set, so that the last bits do not depend on which mutes are measured.
    for index in np.sort(np.concatenate(batches)):
        inputs = data[int(index)].inputs
        for site in sites:
            values = inputs[site].double().numpy()
            values = values.reshape(values.shape[0] if values.ndim else 1, -1)
            known = np.isfinite(values)
            values = np.where(known, values, 0.0)
            sums[site] = sums[site] + [known.sum(1), values.sum(1), np.square(values).sum(1)]
    found = {}
    for site, (count, total, square) in sums.items():
        count = np.maximum(count, 1)
        mean = total / count
        std = np.sqrt(np.maximum(square / count - np.square(mean), 0.0))
        found[site] = {"mean": tuple(mean.tolist()), "std": tuple(std.tolist())}
    return found
