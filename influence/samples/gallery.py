"""The gallery of a run: its most helped and most hurt samples run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike

import pandas as pd

from influence.data.source import Data, open_data
from influence.display.gallery import Exhibit, Gallery, make_gallery
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.results.extremes import extreme_samples
from influence.results.run import read_run
from influence.results.selection import named
from influence.samples.rerun import Rerun, open_rerun

__all__ = ["gather_gallery"]

PREFERRED = "shuffle"
"""The mute whose values stay within the data."""


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
    """Run the samples again that each source helped and hurt most in a run, and draw them.

    Parameters
    ----------
    run
        The directory that a measurement of these networks on these data was written to.
    networks, data, device
        As for `influence.samples.maps.map_samples`; of each network all directions are shown.
    mute
        What replaced the source; by default `shuffle` if the run has it, or else its first mute.
    metric
        What tells the most helped and hurt; by default one of each target, see
        `influence.results.extremes.extreme_samples`.
    top
        How many samples a side.
    own
        Also show what each source does to the target of the same name.

    Returns
    -------
    tuple
        The gallery, and one note for each direction that it does not show.

    Raises
    ------
    InfluenceError
        If the run is of other networks or of other data, was streamed, or has nothing to show.

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
    dataset = open_data(data)
    found = read_run(run)
    notes: list[str] = []
    exhibits = [
        exhibit
        for network in networks
        for exhibit in _exhibits(
            open_rerun(run, found, network, dataset),
            notes, mute=mute, metric=metric, top=top, own=own, device=device,
        )
    ]  # fmt: skip
    if not exhibits:
        raise InfluenceError(f"{run} has nothing to show: {'; '.join(notes)}")
    return make_gallery(exhibits), tuple(notes)


def _exhibits(
    rerun: Rerun,
    notes: list[str],
    *,
    mute: str | None,
    metric: Sequence[str],
    top: int,
    own: bool,
    device: str,
) -> Iterator[Exhibit]:
    """Yield the directions of one network, and note those that cannot be shown."""
    samples = rerun.samples
    present = list(samples["mute"].unique())
    mute = mute or (PREFERRED if PREFERRED in present else present[0])
    chosen = named(samples, "mute", [mute])
    if metric:
        chosen = named(chosen, "metric", metric)
    for source, target in _directions(chosen):
        where = f"{rerun.network.name}: {source} -> {target}"
        shape = rerun.data.targets[target].shape
        if source == target and not own:
            continue
        if len(shape) != 2:
            notes.append(f"{where} is not shown: samples of {target} have the shape {shape}, "
                         "not rows and columns of pixels")  # fmt: skip
            continue
        extremes = extreme_samples(
            chosen, source=[source], target=[target], metric=metric and _of(chosen, target), top=top
        )
        if extremes.empty:
            notes.append(f"{where} is not shown: {source} helps and hurts no sample under {mute}")
            continue
        for _, part in extremes.groupby("metric", sort=False):
            ids = part["id"].tolist()
            maps = rerun.maps(ids, source=source, target=target, mute=mute, device=device)
            yield Exhibit(part, maps)


def _directions(samples: pd.DataFrame) -> list[tuple[str, str]]:
    pairs = samples[["source", "target"]].drop_duplicates()
    return list(pairs.itertuples(index=False, name=None))


def _of(samples: pd.DataFrame, target: str) -> list[str]:
    return list(samples.loc[samples["target"] == target, "metric"].unique())
