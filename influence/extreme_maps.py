"""Maps of the samples that a source helped and hurt most in a run."""

from __future__ import annotations

from os import PathLike

from influence.data_sources import Data, open_data
from influence.errors import InfluenceError
from influence.extremes import extreme_samples
from influence.network import JointNetwork
from influence.reruns import open_rerun
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
