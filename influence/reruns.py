"""Reruns: a network of a run, ready to run some of the samples that it was measured on again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import pandas as pd

from influence.errors import InfluenceError
from influence.evaluation_set import EvaluationSet
from influence.maps import map_samples
from influence.network import JointNetwork
from influence.optimal import with_optimal
from influence.results import Run
from influence.sample_maps import SampleMaps

__all__ = ["Rerun", "open_rerun"]


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
        """Map samples as `influence.maps.map_samples` does, as in the measurement."""
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
        As `influence.results.read_run` reads it.
    network, data
        What was measured, on what.

    Raises
    ------
    InfluenceError
        If the run is of another network or of other data, or has no samples.

    Examples
    --------
    >>> import tempfile, torch
    >>> from influence.data_sources import open_data
    >>> from influence.measurement import measure
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
