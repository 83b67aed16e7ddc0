"""Reruns: the samples that sources helped and hurt most in a run, run through the network again.

They are shown as maps, or as the gallery of the run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike

import pandas as pd

from influence.analysis.stored_run import of_network, read_measured
from influence.data.dataset import EvaluationSet
from influence.data.source import Data, Form, open_data
from influence.display.gallery import Exhibit, Gallery, make_gallery
from influence.errors import InfluenceError
from influence.metrics.registry import holds_labels
from influence.mutes.optimal import with_optimal
from influence.network.joint_network import JointNetwork
from influence.results.run_directory import Run, read_run
from influence.results.sample_maps import SampleMaps
from influence.results.selection import extreme_samples, named
from influence.runtime.reading.records import Record, read_record
from influence.samples.maps import Effect, map_samples

__all__ = ["Rerun", "gather_gallery", "map_extremes", "open_rerun"]

REALISTIC = "shuffle"
"""The mute that a gallery prefers, as it replaces inputs by inputs of the data."""


class LearnedRecord(Record, extra="ignore"):
    """The optimal constants that a run learned, in ``run.json``: network -> input -> constant."""

    learned: Mapping[str, Mapping[str, Sequence[float]]] = {}


@dataclass(frozen=True)
class Rerun:
    """One network of a run, with what it takes to repeat its measurement.

    Parameters
    ----------
    network, data
        The network, with the optimal constants that the run learned, and the data.
    seed, count
        The seed of the measurement, and its number of samples.
    samples
        The rows of ``samples.csv.gz`` of this network.
    """

    network: JointNetwork
    data: EvaluationSet = field(repr=False)
    seed: int
    count: int | None
    samples: pd.DataFrame = field(repr=False)

    def maps(self, ids: Sequence[str], effect: Effect, device: str = "auto") -> SampleMaps:
        """Map samples by `influence.samples.maps.map_samples`, as they were measured."""
        return map_samples(
            self.network, self.data, ids, effect, seed=self.seed, limit=self.count, device=device
        )


def open_rerun(
    directory: str | PathLike[str], run: Run, network: JointNetwork, data: EvaluationSet
) -> Rerun:
    """Prepare to run samples of a run again.

    Parameters
    ----------
    directory
        The directory of the run, for messages.
    run
        The run, as `influence.results.run_directory.read_run` reads it.
    network, data
        One of the networks that were measured, and the data.

    Raises
    ------
    InfluenceError
        If another network or other data were measured, or the run has no table of samples.

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
    source = f"{directory}/run.json"
    measured = read_measured(run, source)
    learned = read_record(LearnedRecord, run.info, source, "Measure again").learned
    name, seed = network.name, network.seed
    if (network.sha256, name, seed) not in [(n.sha256, n.name, n.seed) for n in measured.networks]:
        raise InfluenceError(
            f"{directory} holds results of the networks "
            f"{', '.join(n.name for n in measured.networks)}; {name!r} is none of these, or comes "
            "from another file. Give a checkpoint that was measured"
        )
    # Runs of earlier versions have no digest of data in memory.
    if measured.data.sha256 and measured.data.sha256 != data.sha256:
        raise InfluenceError(
            f"{directory} was measured on other data than {data.source}. Give the data that were "
            "measured"
        )
    if run.samples.empty:
        raise InfluenceError(
            f"{directory} has no samples to choose from, as it was streamed. Measure with "
            "stream=False"
        )
    constants = learned.get(name) or learned.get(f"{name}-seed{seed}") or {}
    return Rerun(
        with_optimal(network, constants),
        data,
        measured.seed,
        measured.data.n,
        of_network(run.samples, name, seed),
    )


def map_extremes(
    run: str | PathLike[str],
    network: JointNetwork,
    data: Data,
    effect: Effect,
    *,
    metric: str | None = None,
    top: int = 4,
    device: str = "auto",
) -> SampleMaps:
    """Map the samples that a source helped and hurt most in a run.

    Parameters
    ----------
    run
        The directory of the run.
    network, data
        One of the networks that were measured, and the data.
    effect, device
        As for `influence.samples.maps.map_samples`.
    metric
        The metric whose omega chooses samples; by default one of the target, see
        `influence.results.selection.extreme_samples`.
    top
        How many helped and how many hurt samples.

    Returns
    -------
    SampleMaps
        The most helped samples, then the most hurt.

    Raises
    ------
    InfluenceError
        As `map_samples` and `open_rerun`; and if no sample was helped or hurt.

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
    >>> map_extremes(folder, net, data, Effect("y", "total", "zero"), top=1).ids
    ('2',)
    """
    form = Form(contexts=network.layout.contexts)
    rerun = open_rerun(run, read_run(run), network, open_data(data, form=form))
    extremes = extreme_samples(
        rerun.samples, source=[effect.source], target=[effect.target], mute=[effect.mute],
        metric=[metric] if metric else (), top=top,
    )  # fmt: skip
    if extremes.empty:
        raise InfluenceError(
            f"{run}: {effect.source!r} helps and hurts no sample of {effect.target!r} under "
            f"{effect.mute!r}. Choose another metric, or name samples by their ids"
        )
    return rerun.maps(extremes["id"].tolist(), effect, device)


def gather_gallery(
    run: str | PathLike[str],
    networks: Sequence[JointNetwork],
    data: Data,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    top: int = 3,
    own: bool = False,
    device: str = "auto",
) -> tuple[Gallery, tuple[str, ...]]:
    """Draw the samples that each source helped and hurt most in a run, for every target.

    Parameters
    ----------
    run
        The directory of the run.
    networks, data, device
        As for `map_extremes`, but of several networks that were measured.
    mute
        The mute that replaced sources; by default `shuffle` if the run has it, or else its first.
    metric
        The metrics whose omega chooses samples; by default one for each target, see
        `influence.results.selection.extreme_samples`.
    top
        How many helped and how many hurt samples of each source and target.
    own
        Whether to include each source with the target of the same name.

    Returns
    -------
    tuple
        The gallery, and a note for each source and target that it leaves out.

    Raises
    ------
    InfluenceError
        As `open_rerun`; and if the gallery would be empty.

    Examples
    --------
    >>> import tempfile, torch
    >>> from influence.measurement.pipeline import measure
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> x, y = torch.ones(3, 1, 4), torch.arange(12.0).reshape(3, 1, 4)
    >>> data = [({"x": x, "y": y}, {"total": x + y})]
    >>> folder = tempfile.mkdtemp()
    >>> measure(net, data, mutes=["zero"]).write(folder)
    >>> found, notes = gather_gallery(folder, [net], data, top=1)
    >>> found.rows[["source", "side", "id"]].values.tolist()
    [['x', 'helped', '0'], ['y', 'helped', '2']]
    """
    counted = Counter((network.name, network.seed, network.sha256) for network in networks)
    for (name, _, _), times in counted.items():
        if times > 1:
            raise InfluenceError(f"expected each checkpoint once, got {name!r} {times} times")
    contexts = set().union(*(network.layout.contexts for network in networks))
    dataset, measured = open_data(data, form=Form(contexts=contexts)), read_run(run)
    found = [
        item
        for network in networks
        for item in _exhibits(
            open_rerun(run, measured, network, dataset),
            mute=mute, metric=metric, top=top, own=own, device=device,
        )
    ]  # fmt: skip
    exhibits = [item for item in found if isinstance(item, Exhibit)]
    notes = [item for item in found if isinstance(item, str)]
    if not exhibits:
        raise InfluenceError(f"{run} has nothing to show: {'; '.join(notes)}")
    return make_gallery(exhibits), tuple(notes)


def _exhibits(
    rerun: Rerun, *, mute: str | None, metric: Sequence[str], top: int, own: bool, device: str
) -> Iterator[Exhibit | str]:
    """Yield the exhibits of one network, and a note for each source and target without any."""
    present = list(rerun.samples["mute"].unique())
    mute = mute or (REALISTIC if REALISTIC in present else present[0])
    samples = named(named(rerun.samples, "mute", [mute]), "metric", metric)
    pairs = samples[["source", "target"]].drop_duplicates()
    outputs = {output.name: output for output in rerun.network.outputs}
    for source, target in pairs.itertuples(index=False, name=None):
        where = f"{rerun.network.name}: {source} -> {target}"
        if source == target and not own:
            continue
        shape = rerun.data.targets[target].shape
        labels = holds_labels(outputs[target], rerun.data.targets[target])
        channels = math.prod(shape[:-2])
        if len(shape) not in (2, 3) or channels not in ((1,) if labels else (1, 3)):
            yield (
                f"{where} is not shown: samples of {target} have the shape {shape}, not rows and "
                "columns of pixels, of one channel or of three colours"
            )
            continue
        part = samples[(samples["source"] == source) & (samples["target"] == target)]
        metrics = list(part["metric"].unique()) if metric else ()
        extremes = extreme_samples(part, metric=metrics, top=top)
        if extremes.empty:
            yield f"{where} is not shown: {source} helps and hurts no sample under {mute}"
        for _, rows in extremes.groupby("metric", sort=False):
            maps = rerun.maps(rows["id"].tolist(), Effect(source, target, mute), device)
            yield Exhibit(rows, maps)
