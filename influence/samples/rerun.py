"""Reruns: a network of a run, ready to run some of the samples that it was measured on again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import pandas as pd

from influence.data.dataset import EvaluationSet
from influence.data.source import Data, open_data
from influence.errors import InfluenceError
from influence.mutes.optimal import with_optimal
from influence.network.joint_network import JointNetwork
from influence.results.run import Run, read_run
from influence.results.sample_maps import SampleMaps
from influence.results.selection import extreme_samples
from influence.samples.maps import map_samples

__all__ = [
    "Rerun",
    "map_extremes",
    "open_rerun",
]


@dataclass(frozen=True)
class Rerun:
    """One network of a run, and what makes it compute the same again.

    Parameters
    ----------
    network, data
        What was measured, on what; `learned` is the network with the constants of the run.
    seed, count
        The seed of the measurement, and how many samples it took.
    samples
        The rows of ``samples.csv.gz`` of this network.
    """

    network: JointNetwork
    data: EvaluationSet = field(repr=False)
    seed: int
    count: int
    samples: pd.DataFrame = field(repr=False)
    learned: Mapping[str, Any] = field(default_factory=dict)

    def maps(
        self, ids: list[str], *, source: str, target: str, mute: str, device: str = "auto"
    ) -> SampleMaps:
        """Map samples as `influence.samples.maps.map_samples` does, as in the measurement."""
        network = self.network
        if mute == "optimal":
            network = with_optimal(network, self.learned)
        return map_samples(
            network, self.data, ids, source=source, target=target, mute=mute, seed=self.seed,
            limit=self.count, device=device,
        )  # fmt: skip


def open_rerun(
    directory: str | PathLike[str], run: Run, network: JointNetwork, data: EvaluationSet
) -> Rerun:
    """Find what a run knows of a network.

    Parameters
    ----------
    directory
        Of the run, for messages.
    run
        As `influence.results.run.read_run` reads it.
    network, data
        What was measured, on what.

    Raises
    ------
    InfluenceError
        If the run is of another network or of other data, or has no samples.

    Examples
    --------
    >>> import tempfile, torch
    >>> from influence.data.source import open_data
    >>> from influence.measurement.pipeline import measure
    >>> net = JointNetwork(torch.nn.Bilinear(1, 1, 1), inputs=("x", "y"), outputs=("z",))
    >>> x, z = torch.ones(3, 1), torch.zeros(3, 1)
    >>> data = open_data([({"x": x, "y": x}, {"z": z})])
    >>> run = measure(net, data, mutes=["zero"], seed=4)
    >>> rerun = open_rerun("a run", run, net, data)
    >>> rerun.seed, rerun.count
    (4, 3)
    """
    try:
        measured = run.info["measured"]
        networks = [(n["sha256"], n["name"], n["seed"]) for n in measured["networks"]]
        seed, count, sha256 = measured["seed"], measured["data"]["n"], measured["data"]["sha256"]
    except (KeyError, TypeError) as error:
        raise InfluenceError(
            f"{directory}/run.json does not say what was measured: {error!r}. Measure again"
        ) from error
    if (network.sha256, network.name, network.seed) not in networks:
        raise InfluenceError(
            f"{directory} is of the checkpoints {', '.join(name for _, name, _ in networks)}; "
            f"{network.name!r} is none of these, or comes from another file. Give one that was "
            "measured, or name samples by their ids: influence maps --id"
        )
    if sha256 != data.sha256:
        raise InfluenceError(
            f"{directory} was measured on other data than {data.source}. Give the file that was "
            "measured, or name samples by their ids: influence maps --id"
        )
    samples = _samples(directory, run.samples, network)
    return Rerun(network, data, seed, count, samples, _learned(directory, run.info, network))


def _learned(
    directory: str | PathLike[str], info: Mapping[str, Any], network: JointNetwork
) -> Mapping[str, Any]:
    """Return the constants that the run learned for the network, where it did."""
    learned = info.get("learned", {})
    try:
        own = learned.get(network.name) or learned.get(f"{network.name}-seed{network.seed}") or {}
        with_optimal(network, own)
    except (AttributeError, TypeError, ValueError) as error:
        raise InfluenceError(
            f"{directory}/run.json: expected the constants that were learned, got {error}. "
            "Measure again"
        ) from error
    constants: Mapping[str, Any] = own
    return constants


def _samples(
    directory: str | PathLike[str], samples: pd.DataFrame, network: JointNetwork
) -> pd.DataFrame:
    if samples.empty:
        raise InfluenceError(
            f"{directory} was streamed and has no samples to choose from. Measure without "
            "--stream, or name samples by their ids: influence maps --id"
        )
    seed = samples["seed"]
    same_seed = seed.isna() if network.seed is None else seed == network.seed
    return samples[(samples["network"] == network.name) & same_seed]


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
        `influence.results.selection.extreme_samples`.
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
    >>> from influence.measurement.pipeline import measure
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
    rerun = open_rerun(run, read_run(run), network, open_data(data))
    extremes = extreme_samples(
        rerun.samples,
        source=[source], target=[target], mute=[mute], metric=[metric] if metric else (), top=top,
    )  # fmt: skip
    if extremes.empty:
        raise InfluenceError(
            f"{run}: {source!r} helps and hurts no sample of {target!r} under {mute!r}. Choose "
            "another metric, or name samples by their ids"
        )
    ids = extremes["id"].tolist()
    return rerun.maps(ids, source=source, target=target, mute=mute, device=device)
