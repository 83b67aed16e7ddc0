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

    They come from the checkpoint's facts, else from the evaluation file's attributes ``mean`` and
    ``std``, else from one preliminary pass over the inputs.

    Returns
    -------
    tuple
        The modalities by name, and one note a site that says where its moments came from.
    """
    modalities = {m.name: m for m in network.inputs}
    needed = {need for mute in mutes for need in mute.needs} & {"mean", "std"}
    notes = []
    for site in sites if needed else ():
        facts, field = modalities[site], data.inputs[site]
        if all(getattr(facts, need) is not None for need in needed):
            where = "the checkpoint"
        elif all(getattr(field, need) is not None for need in needed):
            facts = replace(facts, mean=field.mean, std=field.std)
            where = data.source
        else:
            mean, std = _measured(data, site, batches)
            facts = replace(facts, mean=mean, std=std)
            where = f"a pass over the inputs of {data.source}, which are not training data"
        modalities[site] = facts
        notes.append(f"moments of {site!r} come from {where}")
    return modalities, notes


def _measured(
    data: EvaluationSet, site: str, batches: Sequence[NDArray[np.int64]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Average over samples and places, per channel, leaving NaN out."""
    count = total = square = np.zeros(1)
    for index in np.concatenate(batches):
        values = data[int(index)].inputs[site].double().numpy()
        values = values.reshape(values.shape[0] if values.ndim else 1, -1)
        known = np.isfinite(values)
        values = np.where(known, values, 0.0)
        count = count + known.sum(1)
        total = total + values.sum(1)
        square = square + np.square(values).sum(1)
    count = np.maximum(count, 1)
    mean = total / count
    variance = np.maximum(square / count - np.square(mean), 0.0)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())
