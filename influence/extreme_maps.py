"""Maps of the samples that a source helped and hurt most in a run."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import pandas as pd

from influence.data_sources import Data, open_data
from influence.errors import InfluenceError
from influence.evaluation_set import DataFacts
from influence.extremes import extreme_samples
from influence.maps import map_samples
from influence.network import JointNetwork
from influence.optimal import with_optimal
from influence.results import read_run
from influence.sample_maps import SampleMaps

__all__ = ["map_extremes"]


def map_extremes(
    run: str | PathLike[str],
    network: JointNetwork,
    data: Data,
    *,
    source: str,
    target: str,
    mute: str,
    metric: str | None = None,
    top: int = 4,
    device: str = "auto",
) -> SampleMaps:
    """Map the samples that a source helped and hurt most in a run, with the seed of that run.

    Parameters
    ----------
    run
        The directory that a measurement of this network on these data was written to.
    network, data, source, target, mute, device
        As for `map_samples`.
    metric
        What tells the most helped and hurt; by default one of the target, see
        `influence.extremes.extreme_samples`.
    top
        How many samples a side.

    Returns
    -------
    SampleMaps
        The most helped samples, then the most hurt.

    Raises
    ------
    InfluenceError
        As `map_samples`; and if the run is of another network or of other data, or no sample was
        helped or hurt.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from influence.measurement import measure
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> x, y = torch.ones(3, 4), torch.arange(12.0).reshape(3, 4)
    >>> data = [({"x": x, "y": y}, {"total": x + y})]
    >>> folder = tempfile.mkdtemp()
    >>> measure(net, data, mutes=["zero"]).write(folder)
    >>> map_extremes(folder, net, data, source="y", target="total", mute="zero", top=1).ids
    ('2',)
    """
    dataset = open_data(data)
    found = read_run(run)
    seed, count = _settings(run, found.info, network, dataset)
    extremes = extreme_samples(
        _samples(run, found.samples, network),
        source=[source], target=[target], mute=[mute], metric=[metric] if metric else (), top=top,
    )  # fmt: skip
    if extremes.empty:
        raise InfluenceError(
            f"{run}: {source!r} helps and hurts no sample of {target!r} under {mute!r}. Choose "
            "another metric, or name samples by their ids"
        )
    if mute == "optimal":
        network = _learned(run, found.info, network)
    return map_samples(
        network, dataset, extremes["id"].tolist(), source=source, target=target, mute=mute,
        seed=seed, limit=count, device=device,
    )  # fmt: skip


def _settings(
    run: str | PathLike[str], info: Mapping[str, Any], network: JointNetwork, data: DataFacts
) -> tuple[int, int]:
    """Return seed and number of samples of a run, which has to be of this network and data."""
    try:
        measured = info["measured"]
        networks = [(n["sha256"], n["name"], n["seed"]) for n in measured["networks"]]
        seed, count, sha256 = measured["seed"], measured["data"]["n"], measured["data"]["sha256"]
    except (KeyError, TypeError) as error:
        raise InfluenceError(
            f"{run}/run.json does not say what was measured: {error!r}. Measure again"
        ) from error
    if (network.sha256, network.name, network.seed) not in networks:
        raise InfluenceError(
            f"{run} is of the checkpoints {', '.join(name for _, name, _ in networks)}; "
            f"{network.name!r} is none of these, or comes from another file. Give one that was "
            "measured, or name samples by their ids"
        )
    if sha256 != data.sha256:
        raise InfluenceError(
            f"{run} was measured on other data than {data.source}. Give the file that was "
            "measured, or name samples by their ids"
        )
    return seed, count


def _learned(
    run: str | PathLike[str], info: Mapping[str, Any], network: JointNetwork
) -> JointNetwork:
    """Return the network with the constants that the run learned, where it did."""
    learned = info.get("learned", {})
    try:
        constants = learned.get(network.name) or learned.get(f"{network.name}-seed{network.seed}")
        return with_optimal(network, constants or {})
    except (AttributeError, TypeError, ValueError) as error:
        raise InfluenceError(
            f"{run}/run.json: expected the constants that were learned, got {error}. Measure again"
        ) from error


def _samples(
    run: str | PathLike[str], samples: pd.DataFrame, network: JointNetwork
) -> pd.DataFrame:
    if samples.empty:
        raise InfluenceError(
            f"{run} was streamed and has no samples to choose from. Name samples by their ids"
        )
    seed = samples["seed"]
    same_seed = seed.isna() if network.seed is None else seed == network.seed
    return samples[(samples["network"] == network.name) & same_seed]
